"""Classifies the failures of upstreams, and decides how requests are retried. PURE.

EngineError
├── UpstreamUnauthorized      every upstream that could have answered refuses its key
├── UpstreamWithoutCredits    the account has no credit left, or the configured budget is spent
├── UpstreamRateLimited       too many requests, and the retry delay exceeds the request's deadline
├── EngineTimeout
│   └── UpstreamTimeout       the upstream did not answer in time
├── EngineFailed
│   └── UpstreamFailed        any other failure: request refused, server error, invalid response
└── PartialSkipped            no partial is sent now; a later one covers the same audio and more
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
    "AttemptFailed",
    "Failure",
    "PartialSkipped",
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

MIN_BACKOFF_S, MAX_BACKOFF_S = 0.1, 2.0
"""Sooner, an overloaded server has not recovered; later, a caption is too late to be useful."""

PARTIAL_READ_S = 1.5
"""By then the next partial is due."""

FINAL_READ_S, FINAL_READ_SHARE, MIN_FINAL_READ_S = 3.0, 0.5, 4.0
"""A hosted Whisper takes about a second plus a small share of the audio's duration; half of it means a server in
trouble."""

MAX_SERVER_ATTEMPTS = 3
"""The first attempt and two retries."""

MAX_TIMED_OUT_ATTEMPTS = 2
"""A server that timed out may still be working on the request: each retry costs it as much again."""


class UpstreamUnauthorized(EngineError):
    """The upstream refuses its key."""

    code = "unauthorized"


class UpstreamWithoutCredits(EngineError):
    """The account at the upstream has no credit left, or the configured budget is spent."""

    code = "insufficient_credits"


class UpstreamRateLimited(EngineError):
    """The upstream rejects the request rate, and the retry delay exceeds the request's deadline."""

    code = "rate_limited"


class UpstreamTimeout(EngineTimeout):
    """The upstream did not answer in time."""

    code = "upstream_timeout"


class UpstreamFailed(EngineFailed):
    """The upstream refused the request, failed, or returned an invalid response."""

    code = "upstream_failed"


class PartialSkipped(EngineBusy, RequestReplaced):
    """No partial is sent now; the next one of the utterance replaces it, and the partial interval is stretched."""

    code = "engine_busy"


class Failure(StrEnum):
    """Why one attempt returned no transcription."""

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
        """Whether every request fails until an operator fixes the cause."""
        return self in (Failure.UNAUTHORIZED, Failure.WITHOUT_CREDITS, Failure.NOT_FOUND)


class Action(StrEnum):
    """The next step of a request after a failed attempt."""

    GIVE_UP = "give_up"
    FAIL_OVER = "fail_over"
    RETRY_AT_ONCE = "retry_at_once"
    RETRY_LATER = "retry_later"
    WAIT = "wait"
    SPLIT = "split"


class AttemptFailed(Exception):
    """One attempt at one upstream returned no transcription.

    Attributes:
        failure: the kind of failure.
        retry_after_s: the delay that the upstream requests, in seconds; None if it does not.
    """

    def __init__(self, failure: Failure, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.failure = failure
        self.retry_after_s = retry_after_s


def failure_of(status: int, code: str | None) -> Failure:
    """Return the failure that an HTTP status other than 200 means.

    Args:
        status: 100..599.
        code: of the error body, or None.
    """
    if code in ("insufficient_quota", "insufficient_credits"):  # OpenAI sends it with 429
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
    """Return the next step of a request.

    | failure | final, eager, file | partial |
    |---|---|---|
    | invalid | give up: other upstreams would refuse the audio too | give up |
    | unauthorized, without credits, not found | fail over | give up |
    | rate limited | retry later, elsewhere first | give up |
    | too large | split | give up |
    | disconnected | retry at once on a new connection, then as a server error | retry at once, then give up |
    | unreachable | retry later, elsewhere first, until the deadline: it costs no server any work | give up |
    | server error, garbage | retry later, elsewhere first; after three attempts wait | give up |
    | timed out | retry at once, elsewhere first; after two attempts wait | give up |

    To wait means to retry every few seconds, when the circuit breaker admits it, until the deadline.

    Args:
        failure: of the latest attempt.
        kind: of the request.
        attempts: number of attempts at that upstream, the failed one included, ≥ 1.
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
            return Action.RETRY_AT_ONCE if attempts < MAX_TIMED_OUT_ATTEMPTS else Action.WAIT
        case Failure.SERVER | Failure.GARBAGE | Failure.DISCONNECTED:
            return Action.RETRY_LATER if attempts < MAX_SERVER_ATTEMPTS else Action.WAIT
        case _:
            assert_never(failure)


def error_of(error: AttemptFailed) -> EngineError:
    """Return the engine error for a request after its last attempt."""
    match error.failure:
        case Failure.UNAUTHORIZED:
            return UpstreamUnauthorized(str(error))
        case Failure.WITHOUT_CREDITS:
            return UpstreamWithoutCredits(str(error))
        case Failure.RATE_LIMITED:
            return UpstreamRateLimited(str(error))
        case Failure.TIMED_OUT:
            return UpstreamTimeout(str(error))
        case _:
            return UpstreamFailed(str(error))


def read_timeout_s(kind: RequestKind, audio_s: float) -> float:
    """Return the timeout for the first byte of the response, in seconds."""
    if kind is RequestKind.PARTIAL:
        return PARTIAL_READ_S
    return max(MIN_FINAL_READ_S, FINAL_READ_S + FINAL_READ_SHARE * audio_s)


def backoff_s(attempts: int, draw: float) -> float:
    """Return the delay before the next attempt, in seconds: exponential back-off with full jitter.

    Args:
        attempts: number of attempts so far, ≥ 1.
        draw: a random number, 0..1.
    """
    limit_s = min(MAX_BACKOFF_S, MIN_BACKOFF_S * 2.0 ** min(attempts, 10))
    return MIN_BACKOFF_S + draw * (limit_s - MIN_BACKOFF_S)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the retry delay that an upstream requests, in seconds; None if it requests none or it is malformed.

    Args:
        headers: of its response, names in lower case: `retry-after-ms`, `retry-after` as seconds or as an HTTP date.
        now: current time, with a time zone.
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
