"""One upstream of the pool: its health, its limits and its counts."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from decoder.engine import UpstreamReport
from decoder.engines.upstream.audio_encoding import padded_samples
from decoder.engines.upstream.circuit_breaker import Circuit, CircuitState, Concurrency, Latencies
from decoder.engines.upstream.client import Upstream, UpstreamRequest
from decoder.engines.upstream.retry_policy import AttemptFailed, Failure
from decoder.types import RequestKind, Task
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["Member"]

_RECENTLY_S = 2.0
"""How long after a failure other upstreams are preferred."""

_STRAINED_S = 30.0
"""How long after rate limiting an upstream gets no optional requests."""


class Member:
    """The state of one upstream in the pool.

    Args:
        client: sends requests to the upstream.
        failures_until_open: of its circuit breaker.
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
        self._retry_after_s = -inf
        self._failed_s = -inf
        self._rate_limited_s = -inf

    @property
    def is_full(self) -> bool:
        """Whether its outstanding requests have reached the limit."""
        return self._in_flight >= self._concurrency.limit

    @property
    def available_s(self) -> float:
        """When a request may begin, unless it is full: −∞ at any time, +∞ while a probe is in flight."""
        return max(self.circuit.available_s, self._retry_after_s)

    def supports(self, task: Task) -> bool:
        """Return whether the upstream supports a task."""
        return task is Task.TRANSCRIBE or self.client.settings.translates

    def is_usable(self, now_s: float) -> bool:
        """Return whether its circuit admits a request now, or is being probed."""
        return self.circuit.state is not CircuitState.OPEN or self.circuit.available_s <= now_s

    def has_failed_lately(self, now_s: float) -> bool:
        """Return whether it failed so recently that other upstreams are preferred."""
        return now_s - self._failed_s < _RECENTLY_S

    def is_strained(self, now_s: float) -> bool:
        """Return whether it is unhealthy or was rate limited lately, and gets no optional requests such as hedges."""
        return self.circuit.state is not CircuitState.CLOSED or now_s - self._rate_limited_s < _STRAINED_S

    def price(self, request: UpstreamRequest) -> float:
        """Return the price of a request."""
        return padded_samples(len(request.samples)) / SAMPLE_RATE_HZ / 60 * self.client.settings.price_per_minute

    @contextmanager
    def serving(self, request: UpstreamRequest) -> Iterator[None]:
        """Count a request as in flight while the block runs."""
        self.circuit.begin()
        self._in_flight += 1
        self._audio_s += padded_samples(len(request.samples)) / SAMPLE_RATE_HZ
        try:
            yield
        finally:
            self._in_flight -= 1

    def succeeded(self, latency_s: float) -> None:
        """Record that a request was answered."""
        self._answers["ok"] += 1
        self.circuit.succeeded()
        self._concurrency.grow()
        self.latencies.record(latency_s)

    def failed(self, request: UpstreamRequest, error: AttemptFailed, began_s: float, now_s: float) -> None:
        """Record the failure of a request that began at `began_s`."""
        failure = error.failure
        self._answers[failure] += 1
        if failure in (Failure.RATE_LIMITED, Failure.TIMED_OUT):
            self._concurrency.shrink(began_s, now_s)
        if failure is Failure.RATE_LIMITED:
            self._rate_limited_s = now_s
        if error.retry_after_s is not None and not failure.is_permanent:
            self._retry_after_s = max(self._retry_after_s, now_s + error.retry_after_s)
        is_late_partial = failure is Failure.TIMED_OUT and request.kind is RequestKind.PARTIAL
        if is_late_partial or failure in (Failure.RATE_LIMITED, Failure.TOO_LARGE):
            self.circuit.inconclusive(now_s)  # the upstream works
            return
        self._failed_s = now_s
        self.circuit.failed(failure, began_s, now_s)

    def cancelled(self, now_s: float) -> None:
        """Record that a request was cancelled."""
        self._answers["cancelled"] += 1
        self.circuit.inconclusive(now_s)

    def report(self) -> UpstreamReport:
        """Return its state and counts."""
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
