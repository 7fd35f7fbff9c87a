"""What can go wrong with an upstream, and what is done about it. PURE.

EngineError
├── UpstreamUnauthorized      every upstream that could have answered refuses its key
├── UpstreamWithoutCredits    nothing is left to pay with, or the budget that was set is spent
├── UpstreamRateLimited       asked too often, and the wait would outlast the request
├── EngineTimeout
│   └── UpstreamTimeout       the upstream did not answer in time
├── EngineFailed
│   └── UpstreamFailed        anything else: refused, broken, garbage
└── PartialGivesWay           no partial is sent now; a later one says the same and more
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import assert_never

from decoder.types import EngineBusy, EngineError, EngineFailed, EngineTimeout, RequestKind, RequestReplaced

__all__ = [
    "Action",
    "Failure",
    "PartialGivesWay",
    "Refusal",
    "UpstreamFailed",
    "UpstreamRateLimited",
    "UpstreamTimeout",
    "UpstreamUnauthorized",
    "UpstreamWithoutCredits",
    "backoff_s",
    "decide",
    "error_of",
    "failure_of",
    "read_timeout_s",
    "retry_after_s",
]

LEAST_BACKOFF_S, MOST_BACKOFF_S = 0.1, 2.0
"""Below, an overloaded server has not recovered; above, a caption is too late to wait for."""

PARTIAL_READ_S = 1.5
"""After that the next partial is due."""

FINAL_READ_S, FINAL_READ_SHARE, LEAST_FINAL_READ_S = 3.0, 0.5, 4.0
"""A hosted Whisper takes a second or so and a small share of the audio; half is a server in trouble."""

MOST_SERVER_ATTEMPTS = 3
"""One, and two retries."""

MOST_TIMED_OUT_ATTEMPTS = 2
"""A server that timed out may be working still: each further request costs it as much again."""


class UpstreamUnauthorized(EngineError):
    """The upstream refuses its key."""

    code = "unauthorized"


class UpstreamWithoutCredits(EngineError):
    """The upstream wants to be paid first, or the budget that was set is spent."""

    code = "insufficient_credits"


class UpstreamRateLimited(EngineError):
    """The upstream is asked too often, and waiting would outlast the request."""

    code = "rate_limited"


class UpstreamTimeout(EngineTimeout):
    """The upstream did not answer in time."""

    code = "upstream_timeout"


class UpstreamFailed(EngineFailed):
    """The upstream refused the request, broke, or answered garbage."""

    code = "upstream_failed"


class PartialGivesWay(EngineBusy, RequestReplaced):
    """No partial is sent now; the next one of the utterance takes its place, and they come less often."""

    code = "engine_busy"


class Failure(StrEnum):
    """Why one attempt brought no words."""

    INVALID = "invalid"
    UNAUTHORIZED = "unauthorized"
    WITHOUT_CREDITS = "insufficient_credits"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    TOO_LARGE = "too_large"
    SERVER = "server_error"
    DISCONNECTED = "disconnected"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    GARBAGE = "garbage"

    @property
    def is_permanent(self) -> bool:
        """Whether asking again, whatever it is, is in vain until somebody sets something right."""
        return self in (Failure.UNAUTHORIZED, Failure.WITHOUT_CREDITS, Failure.NOT_FOUND)


class Action(StrEnum):
    """What becomes of the request after a failed attempt."""

    GIVE_UP = "give_up"
    FAIL_OVER = "fail_over"
    RETRY_AT_ONCE = "retry_at_once"
    RETRY_LATER = "retry_later"
    WAIT = "wait"
    SPLIT = "split"


class Refusal(Exception):
    """One attempt at one upstream brought no words.

    Attributes:
        failure: of what kind.
        retry_after_s: how long the upstream wants to be left alone; None where it does not say.
    """

    def __init__(self, failure: Failure, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.failure = failure
        self.retry_after_s = retry_after_s


def failure_of(status: int, code: str | None) -> Failure:
    """Return what an HTTP status other than 200 means.

    Args:
        status: 100..599.
        code: of the error body, or None.
    """
    if code in ("insufficient_quota", "insufficient_credits"):  # OpenAI says it with 429
        return Failure.WITHOUT_CREDITS
    match status:
        case 401 | 403:
            return Failure.UNAUTHORIZED
        case 402:
            return Failure.WITHOUT_CREDITS
        case 404 | 405 | 410:
            return Failure.NOT_FOUND
        case 408 | 425 | 429:
            return Failure.RATE_LIMITED
        case 413:
            return Failure.TOO_LARGE
        case _ if 300 <= status < 400:
            return Failure.NOT_FOUND  # a redirected POST would lose its body: the base URL is wrong
        case _ if 400 <= status < 500:
            return Failure.INVALID
        case _:
            return Failure.SERVER


def decide(failure: Failure, kind: RequestKind, attempts: int) -> Action:
    """Return what becomes of a request.

    | failure | final, eager, file | partial |
    |---|---|---|
    | invalid | give up: no upstream likes such audio better | give up |
    | unauthorized, without credits, not found | fail over | give up |
    | rate limited | later, elsewhere first | give up |
    | too large | split | give up |
    | disconnected | at once on a new connection, then as a server error | at once, then give up |
    | unreachable | later, elsewhere first, for as long as there is time: it costs nobody anything | give up |
    | server error, garbage | later, elsewhere first; after three attempts wait | give up |
    | timed out | at once, elsewhere first; after two attempts wait | give up |

    To wait is to ask again every few seconds, when the circuit lets it, for as long as there is time.

    Args:
        failure: of the last attempt.
        kind: of the request.
        attempts: made at that upstream, the failed one included, ≥ 1.
    """
    if failure is Failure.DISCONNECTED and attempts == 1:
        return Action.RETRY_AT_ONCE
    if kind is RequestKind.PARTIAL or failure is Failure.INVALID:
        return Action.GIVE_UP
    match failure:
        case Failure.UNAUTHORIZED | Failure.WITHOUT_CREDITS | Failure.NOT_FOUND:
            return Action.FAIL_OVER
        case Failure.RATE_LIMITED | Failure.UNREACHABLE:
            return Action.RETRY_LATER
        case Failure.TOO_LARGE:
            return Action.SPLIT
        case Failure.TIMED_OUT:
            return Action.RETRY_AT_ONCE if attempts < MOST_TIMED_OUT_ATTEMPTS else Action.WAIT
        case Failure.SERVER | Failure.GARBAGE | Failure.DISCONNECTED:
            return Action.RETRY_LATER if attempts < MOST_SERVER_ATTEMPTS else Action.WAIT
        case _:
            assert_never(failure)


def error_of(refusal: Refusal) -> EngineError:
    """Return what the request is answered with when nothing is left to try."""
    match refusal.failure:
        case Failure.UNAUTHORIZED:
            return UpstreamUnauthorized(str(refusal))
        case Failure.WITHOUT_CREDITS:
            return UpstreamWithoutCredits(str(refusal))
        case Failure.RATE_LIMITED:
            return UpstreamRateLimited(str(refusal))
        case Failure.TIMED_OUT:
            return UpstreamTimeout(str(refusal))
        case _:
            return UpstreamFailed(str(refusal))


def read_timeout_s(kind: RequestKind, sound_s: float) -> float:
    """Return how long the first byte of an answer is waited for."""
    if kind is RequestKind.PARTIAL:
        return PARTIAL_READ_S
    return max(LEAST_FINAL_READ_S, FINAL_READ_S + FINAL_READ_SHARE * sound_s)


def backoff_s(attempts: int, draw: float) -> float:
    """Return how long to wait before the next attempt: full jitter under a doubling limit.

    Args:
        attempts: made so far, ≥ 1.
        draw: by chance, 0..1.
    """
    limit_s = min(MOST_BACKOFF_S, LEAST_BACKOFF_S * 2.0 ** min(attempts, 10))
    return LEAST_BACKOFF_S + draw * (limit_s - LEAST_BACKOFF_S)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how long an upstream wants to be left alone, or None where it does not say so in a way that is understood.

    Args:
        headers: of its response, in small letters: `retry-after-ms`, `retry-after` as seconds or as an HTTP date.
        now: with a time zone.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1_000
    text = headers.get("retry-after")
    seconds = _number(text)
    if text is None or seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # RFC 9110 §5.6.7: always GMT
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else -1.0
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
