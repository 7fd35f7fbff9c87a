"""What Prometheus may know: counts and times, never words."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from decoder.scheduler import Scheduler
from gateway.wire import Final

__all__ = ["Metrics"]

_LATENCY_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Finest about 0.15–0.3 s, where the best services' end of speech → final lies."""


class Metrics:
    """The metrics of one gateway, in a registry of their own."""

    def __init__(self, scheduler: Scheduler) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self.sessions = Gauge("livecue_sessions", "Sessions open now", registry=registry)
        self.sessions_ended = Counter(
            "livecue_sessions_ended_total", "Sessions that ended, by outcome", ["outcome"], registry=registry
        )
        self.refused = Counter(
            "livecue_connections_refused_total",
            "Connections refused before a session began",
            ["code"],
            registry=registry,
        )
        self.audio_s = Counter("livecue_audio_seconds_total", "Sound heard", registry=registry)
        self.warnings = Counter("livecue_warnings_total", "Warnings sent, by code", ["code"], registry=registry)
        self.cues_replaced = Counter(
            "livecue_partial_cues_replaced_total", "Partial cues a slow reader never got", registry=registry
        )
        self.eager = Counter(
            "livecue_eager_finals_total", "Finals decoded at a pause: used, or dropped", ["outcome"], registry=registry
        )
        self.guarded = Counter(
            "livecue_guarded_total", "Hypotheses the hallucination guard doubted", ["kind", "reason"], registry=registry
        )
        self._finals = Counter("livecue_finals_total", "Finals sent, by outcome", ["outcome"], registry=registry)
        self._latency_s = Histogram(
            "livecue_final_latency_seconds",
            "End of speech to final sent, and the parts of it",
            ["part"],
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        registry.register(_SchedulerCollector(scheduler))

    def final(self, event: Final) -> None:
        """Count a final that has been sent."""
        self._finals.labels(event.error or "ok").inc()
        latency = event.latency
        parts = {
            "endpoint": latency.endpoint_s,
            "queue": latency.queue_s,
            "decode": latency.decode_s,
            "delivery": latency.delivery_s,
        }
        for part, seconds in parts.items():
            self._latency_s.labels(part).observe(seconds)
        self._latency_s.labels("total").observe(sum(parts.values()))

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _SchedulerCollector(Collector):
    """Reads the scheduler's counts when asked, so that decoding does no counting twice."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def collect(self) -> Iterator[Metric]:
        statistics = self._scheduler.statistics
        yield CounterMetricFamily("livecue_engine_batches", "Batches decoded", statistics.batches)
        busy_s = statistics.busy_s
        yield CounterMetricFamily("livecue_engine_busy_seconds", "Time spent decoding, summed over batches", busy_s)
        yield GaugeMetricFamily("livecue_engine_waiting", "Requests waiting for a batch", self._scheduler.waiting)
        yield GaugeMetricFamily("livecue_engine_ready", "1 while batches succeed", int(self._scheduler.is_ready))
        answers = CounterMetricFamily("livecue_engine_answers", "Requests answered", labels=["kind", "outcome"])
        for (kind, outcome), count in statistics.outcomes.items():
            answers.add_metric([kind, outcome], count)
        yield answers
