"""One upstream of the pool: how it fares, what it may be given, what it has done."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from decoder.engine import UpstreamReport
from decoder.engines.upstream.audio_encoding import padded_samples
from decoder.engines.upstream.circuit_breaker import Circuit, CircuitState, Concurrency, Latencies
from decoder.engines.upstream.client import Ask, Upstream
from decoder.engines.upstream.retry_policy import Failure, Refusal
from decoder.types import RequestKind, Task
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["Member"]

_RECENTLY_S = 2.0
"""For so long after a failure another upstream is preferred."""

_STRAINED_S = 30.0
"""For so long after a refusal for its rate an upstream gets no request that could do without."""


class Member:
    """What the pool knows of one upstream.

    Args:
        client: asks it.
        failures_until_open: of its circuit.
    """

    def __init__(self, client: Upstream, failures_until_open: int) -> None:
        self.client = client
        self.circuit = Circuit(failures_until_open)
        self.latencies = Latencies()
        self.retries = 0
        self._concurrency = Concurrency(client.settings.concurrency)
        self._answers: Counter[str] = Counter()
        self._in_flight = 0
        self._audio_s = 0.0
        self._left_alone_until_s = -inf
        self._failed_s = -inf
        self._rate_limited_s = -inf

    @property
    def is_full(self) -> bool:
        """Whether it is being asked as much as it may be."""
        return self._in_flight >= self._concurrency.limit

    @property
    def available_s(self) -> float:
        """When a request may begin, if there is room: −∞ at any time, +∞ while one probes."""
        return max(self.circuit.available_s, self._left_alone_until_s)

    def does(self, task: Task) -> bool:
        """Return whether it offers that task."""
        return task is Task.TRANSCRIBE or self.client.settings.translates

    def is_usable(self, now_s: float) -> bool:
        """Return whether it is not left alone now."""
        return self.circuit.state is not CircuitState.OPEN or self.circuit.available_s <= now_s

    def has_failed_lately(self, now_s: float) -> bool:
        """Return whether another one is the better choice now."""
        return now_s - self._failed_s < _RECENTLY_S

    def is_strained(self, now_s: float) -> bool:
        """Return whether it gets no request that could do without."""
        return self.circuit.state is not CircuitState.CLOSED or now_s - self._rate_limited_s < _STRAINED_S

    def price(self, ask: Ask) -> float:
        """Return what a request costs."""
        return padded_samples(len(ask.samples)) / SAMPLE_RATE_HZ / 60 * self.client.settings.price_per_minute

    @contextmanager
    def serving(self, ask: Ask) -> Iterator[None]:
        """Count a request as under way while the block lasts."""
        self.circuit.begin()
        self._in_flight += 1
        self._audio_s += padded_samples(len(ask.samples)) / SAMPLE_RATE_HZ
        try:
            yield
        finally:
            self._in_flight -= 1

    def succeeded(self, latency_s: float) -> None:
        """Note that a request was answered."""
        self._answers["ok"] += 1
        self.circuit.succeeded()
        self._concurrency.grow()
        self.latencies.note(latency_s)

    def refused(self, ask: Ask, refusal: Refusal, began_s: float, now_s: float) -> None:
        """Note that a request failed that began at `began_s`."""
        failure = refusal.failure
        self._answers[failure] += 1
        if failure in (Failure.RATE_LIMITED, Failure.TIMED_OUT):
            self._concurrency.shrink(began_s, now_s)
        if failure is Failure.RATE_LIMITED:
            self._rate_limited_s = now_s
        if refusal.retry_after_s is not None and not failure.is_permanent:
            self._left_alone_until_s = max(self._left_alone_until_s, now_s + refusal.retry_after_s)
        is_impatience = failure is Failure.TIMED_OUT and ask.kind is RequestKind.PARTIAL
        if is_impatience or failure in (Failure.RATE_LIMITED, Failure.TOO_LARGE):
            self.circuit.abandoned(now_s)  # it works
            return
        self._failed_s = now_s
        self.circuit.failed(failure, began_s, now_s)

    def abandoned(self, now_s: float) -> None:
        """Note that a request was cancelled."""
        self._answers["cancelled"] += 1
        self.circuit.abandoned(now_s)

    def report(self) -> UpstreamReport:
        """Return how it fares."""
        failure = self.circuit.failure
        return UpstreamReport(
            name=self.client.name,
            model=self.client.settings.model,
            circuit=self.circuit.state.value,
            failure=None if failure is None else failure.value,
            in_flight=self._in_flight,
            limit=self._concurrency.limit,
            answers=dict(self._answers),
            retries=self.retries,
            audio_s=self._audio_s,
            cost=self._audio_s / 60 * self.client.settings.price_per_minute,
        )
