"""Tracks the health of an upstream, and limits the load put on it. PURE: time is an argument."""

from bisect import insort
from collections import deque
from enum import StrEnum
from math import ceil, floor, inf

from decoder.engines.upstream.retry_policy import Failure

__all__ = ["Circuit", "CircuitState", "Concurrency", "Latencies", "RetryBudget"]

FIRST_OPEN_S = 1.0
"""Often enough for a restart."""

MAX_OPEN_S = 15.0
"""Less than the timeout of a final, so that every final outlasts at least one probe."""

PERMANENT_OPEN_S = 60.0
"""Longer: keys and credit are fixed by people."""

_LATENCIES = 128
_MIN_LATENCIES = 20
"""Minimum for a meaningful 95th percentile."""


class CircuitState(StrEnum):
    """Whether an upstream gets requests."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Circuit:
    """The circuit breaker of an upstream: blocks requests to it while it fails.

    | state | event | next state |
    |---|---|---|
    | closed | permanent failure | open for 60 s |
    | closed | `failures_until_open` other failures in a row | open for 1 s |
    | open | a request begins after the open time | probing: no other request passes |
    | probing | success | closed |
    | probing | failure | open for twice as long, at most 15 s |
    | probing | the probe is cancelled | open, with the next probe due at once |

    Audio refused as invalid counts too: once, it is the fault of the audio; many times in a row, of the settings.

    Args:
        failures_until_open: ≥ 1.
    """

    def __init__(self, failures_until_open: int) -> None:
        self.state = CircuitState.CLOSED
        self.failure: Failure | None = None
        """The latest one; None after a success."""
        self._failures_until_open = failures_until_open
        self._consecutive_failures = 0
        self._opened_s = -inf
        self._open_until_s = -inf
        self._next_open_s = FIRST_OPEN_S

    @property
    def available_s(self) -> float:
        """When a request may begin: −∞ at any time, +∞ while a probe is in flight."""
        return inf if self.state is CircuitState.PROBING else self._open_until_s

    def begin(self) -> None:
        """Record that a request begins, at `available_s` or later."""
        if self.state is CircuitState.OPEN:
            self.state = CircuitState.PROBING

    def succeeded(self) -> None:
        """Record that a request was answered."""
        self.state, self.failure = CircuitState.CLOSED, None
        self._consecutive_failures = 0
        self._open_until_s = -inf
        self._next_open_s = FIRST_OPEN_S

    def failed(self, failure: Failure, began_s: float, now_s: float) -> None:
        """Record the failure of a request that began at `began_s`.

        If it was in flight when the circuit opened, it is no new evidence and does not prolong the open time, unless
        the failure is permanent.
        """
        self.failure = failure
        if began_s < self._opened_s and not failure.is_permanent:
            return
        self._consecutive_failures += 1
        if failure.is_permanent:
            self._open(now_s, PERMANENT_OPEN_S)
        elif self.state is CircuitState.PROBING or self._consecutive_failures >= self._failures_until_open:
            self._open(now_s, self._next_open_s)
            self._next_open_s = min(2 * self._next_open_s, MAX_OPEN_S)

    def inconclusive(self, now_s: float) -> None:
        """Record that a request ended without evidence about the upstream's health."""
        if self.state is CircuitState.PROBING:
            self._open(now_s, 0.0)

    def _open(self, now_s: float, pause_s: float) -> None:
        self.state = CircuitState.OPEN
        self._opened_s = now_s
        self._open_until_s = max(self._open_until_s, now_s + pause_s)


class Concurrency:
    """Limits the concurrent requests to an upstream: one more per round of answers, half as many on overload.

    Additive increase, multiplicative decrease, as in TCP (Chiu and Jain 1989).

    Args:
        maximum: ≥ 1.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._limit = float(maximum)
        self._shrunk_s = -inf

    @property
    def limit(self) -> int:
        """Allowed concurrent requests, 1..maximum."""
        return floor(self._limit)

    def grow(self) -> None:
        """Record that a request was answered."""
        self._limit = min(self._maximum, self._limit + 1 / self._limit)

    def shrink(self, began_s: float, now_s: float) -> None:
        """Halve the limit after a request that began at `began_s` overloaded the upstream.

        A request that was in flight when the limit was last halved is no evidence against the new limit.
        """
        if began_s >= self._shrunk_s:
            self._limit = max(1.0, self._limit / 2)
            self._shrunk_s = now_s


class RetryBudget:
    """Limits retries to a share of all requests, so that retries do not overload a failing upstream.

    Args:
        share: retries earned per request, 0..1.
        burst: maximum retries saved up, and the initial number.
    """

    def __init__(self, share: float, burst: int) -> None:
        self._share = share
        self._burst = burst
        self._saved = float(burst)

    def earn(self) -> None:
        """Record a request, which earns a share of a retry."""
        self._saved = min(self._burst, self._saved + self._share)

    def take(self) -> bool:
        """Take one retry from the budget; return whether there was one."""
        # rounding: 0.1 added ten times is slightly less than 1
        if self._saved + 1e-9 < 1:
            return False
        self._saved -= 1
        return True


class Latencies:
    """The most recent latencies of an upstream."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=_LATENCIES)

    def record(self, latency_s: float) -> None:
        """Record a latency, discarding the oldest when full."""
        self._latest.append(latency_s)

    @property
    def p95_s(self) -> float | None:
        """The 95th percentile; None if there are too few latencies."""
        if len(self._latest) < _MIN_LATENCIES:
            return None
        ordered: list[float] = []
        for latency_s in self._latest:
            insort(ordered, latency_s)
        return ordered[ceil(0.95 * len(ordered)) - 1]
