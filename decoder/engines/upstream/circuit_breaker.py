"""How an upstream fares, and how hard it may be pressed. PURE: time is an argument."""

from bisect import insort
from collections import deque
from enum import StrEnum
from math import ceil, floor, inf

from decoder.engines.upstream.retry_policy import Failure

__all__ = ["Circuit", "CircuitState", "Concurrency", "Latencies", "RetryBudget"]

FIRST_OPEN_S = 1.0
"""A restart is over by then, often."""

MOST_OPEN_S = 15.0
"""Less than a final's patience, so that every final outlasts one probe at least."""

PERMANENT_OPEN_S = 60.0
"""Keys are changed and bills are paid by people."""

_LATENCIES = 128
_LEAST_LATENCIES = 20
"""Fewer have no 95th percentile."""


class CircuitState(StrEnum):
    """Whether an upstream is asked."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Circuit:
    """Keeps requests away from an upstream that will not answer them.

    | state | event | then |
    |---|---|---|
    | closed | permanent failure | open for 60 s |
    | closed | as many other failures in a row as set | open for 1 s |
    | open | its time is over, a request begins | probing: nobody else is let through |
    | probing | success | closed |
    | probing | failure | open for twice as long, 15 s at most |
    | probing | the probe is cancelled | open, and due at once |

    Audio that is refused as invalid counts too: one such is the audio's fault, many in a row are the settings'.

    Args:
        failures_until_open: ≥ 1.
    """

    def __init__(self, failures_until_open: int) -> None:
        self.state = CircuitState.CLOSED
        self.failure: Failure | None = None
        """The last one, until a success."""
        self._failures_until_open = failures_until_open
        self._in_a_row = 0
        self._opened_s = -inf
        self._open_until_s = -inf
        self._next_open_s = FIRST_OPEN_S

    @property
    def available_s(self) -> float:
        """When a request may begin: −∞ at any time, +∞ while a probe is under way."""
        return inf if self.state is CircuitState.PROBING else self._open_until_s

    def begin(self) -> None:
        """Note that a request begins, at `available_s` or later."""
        if self.state is CircuitState.OPEN:
            self.state = CircuitState.PROBING

    def succeeded(self) -> None:
        """Note that a request was answered."""
        self.state, self.failure = CircuitState.CLOSED, None
        self._in_a_row = 0
        self._open_until_s = -inf
        self._next_open_s = FIRST_OPEN_S

    def failed(self, failure: Failure, began_s: float, now_s: float) -> None:
        """Note that a request failed that began at `began_s`.

        One that was under way when the circuit opened only says again why.
        """
        self.failure = failure
        if began_s < self._opened_s and not failure.is_permanent:
            return
        self._in_a_row += 1
        if failure.is_permanent:
            self._open(now_s, PERMANENT_OPEN_S)
        elif self.state is CircuitState.PROBING or self._in_a_row >= self._failures_until_open:
            self._open(now_s, self._next_open_s)
            self._next_open_s = min(2 * self._next_open_s, MOST_OPEN_S)

    def abandoned(self, now_s: float) -> None:
        """Note that a request ended without saying anything about the upstream."""
        if self.state is CircuitState.PROBING:
            self._open(now_s, 0.0)

    def _open(self, now_s: float, pause_s: float) -> None:
        self.state = CircuitState.OPEN
        self._opened_s = now_s
        self._open_until_s = max(self._open_until_s, now_s + pause_s)


class Concurrency:
    """How many requests an upstream is given at once: one more for every round of answers, half on a refusal.

    Additive increase, multiplicative decrease, as TCP has it (Chiu and Jain 1989).

    Args:
        most: ≥ 1.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._shrunk_s = -inf

    @property
    def limit(self) -> int:
        """Requests at once, 1..most."""
        return floor(self._limit)

    def grow(self) -> None:
        """Note that a request was answered."""
        self._limit = min(self._most, self._limit + 1 / self._limit)

    def shrink(self, began_s: float, now_s: float) -> None:
        """Note that the upstream was asked too much by a request that began at `began_s`.

        One that was under way when the limit was last halved says nothing of the new one.
        """
        if began_s >= self._shrunk_s:
            self._limit = max(1.0, self._limit / 2)
            self._shrunk_s = now_s


class RetryBudget:
    """Lets retries be a share of all requests, so that they never become the load an upstream breaks down under.

    Args:
        share: retries for each request, 0..1.
        burst: retries that may be saved up, and are there at the beginning.
    """

    def __init__(self, share: float, burst: int) -> None:
        self._share = share
        self._burst = burst
        self._saved = float(burst)

    def earn(self) -> None:
        """Note a request."""
        self._saved = min(self._burst, self._saved + self._share)

    def take(self) -> bool:
        """Return whether one more retry is allowed, and count it."""
        # 0.1 added ten times is not quite 1
        if self._saved + 1e-9 < 1:
            return False
        self._saved -= 1
        return True


class Latencies:
    """The latest latencies of an upstream."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=_LATENCIES)

    def note(self, latency_s: float) -> None:
        """Note one."""
        self._latest.append(latency_s)

    @property
    def p95_s(self) -> float | None:
        """The 95th percentile; None where there are too few."""
        if len(self._latest) < _LEAST_LATENCIES:
            return None
        ordered: list[float] = []
        for latency_s in self._latest:
            insort(ordered, latency_s)
        return ordered[ceil(0.95 * len(ordered)) - 1]
