"""Prometheus metrics: counts and times, never text."""

from collections import Counter as CounterOf
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from decoder.engine import PoolReport
from decoder.scheduler import Answer, Scheduler
from decoder.types import Hypothesis, RequestKind
from gateway.access.admission import Admission
from gateway.access.audit_log import AuditLog
from gateway.access.authenticator import Authenticator
from gateway.delivery.broadcast import Broadcaster
from gateway.journal.unwritten_events import JournalCounts
from gateway.label_limit import with_limited_labels
from gateway.load.ladder import Step
from gateway.sinks.progress import SinkState
from gateway.sinks.service import Sinks
from gateway.wire import Final

__all__ = ["LoadReport", "Metrics"]

_LATENCY_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Finest about 0.15–0.3 s, where the best services' end of speech → final lies."""


class Metrics:
    """The metrics of one gateway, in a registry of their own."""

    def __init__(self, scheduler: Scheduler, broadcaster: Broadcaster) -> None:
        registry = CollectorRegistry()
        self._registry = registry

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(name, text, labels, buckets=_LATENCY_BUCKETS_S, registry=registry)

        self.sessions = Gauge("livecue_sessions", "Sessions open now", registry=registry)
        self.sessions_ended = counter("livecue_sessions_ended_total", "Sessions that ended, by outcome", "outcome")
        self.refused = counter(
            "livecue_connections_refused_total", "Connections refused before a session began, by code", "code"
        )
        self.files = Gauge("livecue_files", "Uploaded files in progress now", registry=registry)
        self.files_ended = counter("livecue_files_ended_total", "Uploaded files that ended, by outcome", "outcome")
        self.audio_s = counter("livecue_audio_seconds_total", "Audio received")
        self.cues_replaced = counter(
            "livecue_partial_cues_replaced_total", "Partial cues superseded before a slow reader got them"
        )
        self.eager = counter("livecue_eager_finals_total", "Finals decoded at a pause: used or discarded", "outcome")
        self.guarded = counter(
            "livecue_guarded_total",
            "Hypotheses that the hallucination guard rejected or flagged, by kind and reason",
            "kind",
            "reason",
        )
        self.call_frames = counter("livecue_call_frames_total", "Frames of telephone calls, by fate", "fate")
        self.call_silence_s = counter("livecue_call_silence_seconds_total", "Silence inserted for missing frames")
        self.corrections = counter(
            "livecue_corrections_total", "Finals corrected, in live or ended sessions", "session"
        )
        self._finals = counter("livecue_finals_total", "Finals sent, by outcome", "outcome")
        parts = "End of speech to final sent, by part: endpoint, queue, decode, delivery and total"
        self._latency_s = histogram("livecue_final_latency_seconds", parts, "part")
        partials = "Arrival of the newest audio of a partial to its answer"
        self._partial_lag_s = histogram("livecue_partial_lag_seconds", partials)
        registry.register(_SchedulerCollector(scheduler))
        registry.register(_ViewerCollector(broadcaster))

    def watch(
        self, authenticator: Authenticator, max_keys: int, open_by_key: Callable[[], Mapping[str, float]] = dict
    ) -> None:
        """Also export the usage of keys, and refused authentications.

        Args:
            authenticator: has the keys.
            max_keys: names with series of their own; further ones are added up as `other`.
            open_by_key: returns the number of open sessions, by name of the key.
        """
        self._registry.register(_AuthenticatorCollector(authenticator, max_keys, open_by_key))

    def watch_audit(self, audit: AuditLog) -> None:
        """Also export what the audit log has written and lost."""
        self._registry.register(_AuditCollector(audit))

    def watch_load(self, load: "LoadReport", admission: Admission) -> None:
        """Also export the load of the engine, and how many sessions are admitted."""
        self._registry.register(_LoadCollector(load, admission))

    def watch_upstreams(self, report: Callable[[], PoolReport] | None) -> None:
        """Also export the state of the engine's upstreams, if it has any."""
        if report is not None:
            self._registry.register(_UpstreamCollector(report))

    def watch_journal(self, counts: JournalCounts) -> None:
        """Also export what the journal has written and lost."""
        self._registry.register(_JournalCollector(counts))

    def watch_sinks(self, sinks: Sinks) -> None:
        """Also export what sinks have taken and lost."""
        self._registry.register(_SinkCollector(sinks))

    def call(self, fates: Iterable[tuple[str, int]], filled_ms: int) -> None:
        """Count the frames of a telephone call that is over."""
        for fate, count in fates:
            self.call_frames.labels(fate).inc(count)
        self.call_silence_s.inc(filled_ms / 1_000)

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

    def answered(self, answer: Answer) -> None:
        """Count an answer of the engine to a live session."""
        # a partial is requested when its newest audio arrives
        if answer.request.kind is RequestKind.PARTIAL and isinstance(answer.outcome, Hypothesis):
            self._partial_lag_s.observe(answer.queue_s + answer.decode_s)

    def families(self) -> Iterable[Metric]:
        """Return all metrics as they are now."""
        return self._registry.collect()

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _AuthenticatorCollector(Collector):
    """Reads the authenticator's counts on each scrape."""

    def __init__(
        self, authenticator: Authenticator, max_keys: int, open_by_key: Callable[[], Mapping[str, float]]
    ) -> None:
        self._authenticator = authenticator
        self._max_keys = max_keys
        self._open_by_key = open_by_key
        self._names: dict[str, None] = {}
        """Names of keys in the order in which they appeared, so that a name keeps its series."""

    def collect(self) -> Iterator[Metric]:
        authenticator = self._authenticator
        spent = CounterMetricFamily("livecue_key_audio_seconds", "Audio used, by name of the key", labels=["key"])
        for name, audio_s in self._limited(authenticator.spent_s).items():
            spent.add_metric([name], audio_s)
        yield spent
        sessions = GaugeMetricFamily("livecue_key_sessions", "Sessions open now, by name of the key", labels=["key"])
        for name, count in self._limited(self._open_by_key()).items():
            sessions.add_metric([name], count)
        yield sessions
        refusals = CounterMetricFamily(
            "livecue_key_refusals", "Requests refused by the authenticator, by code", labels=["code"]
        )
        for code, count in authenticator.refusals.items():
            refusals.add_metric([code], count)
        yield refusals
        yield CounterMetricFamily(
            "livecue_state_failures", "Failures to reach the state database", authenticator.failures
        )
        yield CounterMetricFamily(
            "livecue_jwks_failures", "Failures to fetch the keys of tokens", authenticator.jwks_failures
        )

    def _limited(self, by_name: Mapping[str, float]) -> dict[str, float]:
        self._names |= dict.fromkeys(by_name)
        return with_limited_labels({name: by_name.get(name, 0.0) for name in self._names}, self._max_keys)


class _AuditCollector(Collector):
    """Reads the audit log's counts on each scrape."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def collect(self) -> Iterator[Metric]:
        audit = self._audit
        yield CounterMetricFamily("livecue_audit_records", "Records in the audit log", audit.written)
        yield CounterMetricFamily("livecue_audit_failures", "Failures to write the audit log", audit.failures)
        yield CounterMetricFamily("livecue_audit_records_lost", "Records that were never written", audit.lost)


class LoadReport(Protocol):
    """The load of a gateway, and its overload ladder."""

    entered: CounterOf[Step]
    shed: int

    @property
    def step(self) -> Step:
        """The current step."""
        ...

    def load(self, streams: int) -> float:
        """Return the forecast load of some connected sessions."""
        ...


class _LoadCollector(Collector):
    """Reads the load on each scrape."""

    def __init__(self, load: LoadReport, admission: Admission) -> None:
        self._load = load
        self._admission = admission

    def collect(self) -> Iterator[Metric]:
        load, admission = self._load, self._admission
        yield GaugeMetricFamily("livecue_free_streams", "Sessions that would be admitted now", admission.free)
        forecast = load.load(admission.open)
        yield GaugeMetricFamily("livecue_load", "Share of the engine's time, with partials at half rate", forecast)
        yield GaugeMetricFamily("livecue_overload_step", "Step of the overload ladder, 0 to 5", int(load.step))
        entered = CounterMetricFamily("livecue_overload_steps", "Steps of the ladder entered", labels=["step"])
        for step in Step:
            entered.add_metric([step.name.lower()], load.entered[step])
        yield entered
        yield CounterMetricFamily("livecue_sessions_shed", "Sessions ended because of overload", load.shed)


class _ViewerCollector(Collector):
    """Reads viewers, losses and warnings on each scrape."""

    def __init__(self, broadcaster: Broadcaster) -> None:
        self._broadcaster = broadcaster

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("livecue_viewers", "Viewers of all sessions now", self._broadcaster.viewers)
        lost = CounterMetricFamily(
            "livecue_viewing_losses", "Events and connections that viewers lost, by kind", labels=["kind"]
        )
        for kind, count in self._broadcaster.losses.items():
            lost.add_metric([kind], count)
        yield lost
        warnings = CounterMetricFamily("livecue_warnings", "Warnings sent, by code", labels=["code"])
        for code, count in self._broadcaster.warnings.items():
            warnings.add_metric([code], count)
        yield warnings
        audio = CounterMetricFamily("livecue_audio_lost_seconds", "Audio without words, by reason", labels=["reason"])
        for reason, audio_s in self._broadcaster.lost_audio_s.items():
            audio.add_metric([reason], audio_s)
        yield audio


class _JournalCollector(Collector):
    """Reads the journal's counts on each scrape."""

    def __init__(self, counts: JournalCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        counts = self._counts
        yield CounterMetricFamily("livecue_journal_events", "Events written", counts.written)
        yield CounterMetricFamily("livecue_journal_failures", "Failures to write the journal", counts.failures)
        yield CounterMetricFamily("livecue_journal_events_lost", "Events that were never written", counts.lost)


class _SinkCollector(Collector):
    """Reads the counts of the sinks on each scrape."""

    def __init__(self, sinks: Sinks) -> None:
        self._sinks = sinks

    def collect(self) -> Iterator[Metric]:
        events = CounterMetricFamily(
            "livecue_sink_events", "Events for sinks, by sink and outcome", labels=["sink", "outcome"]
        )
        for (sink, outcome), count in self._sinks.counts.outcomes.items():
            events.add_metric([sink, outcome], count)
        yield events
        states = CounterOf(progress.state for progress in self._sinks.all())
        running = GaugeMetricFamily("livecue_sinks", "Sinks of sessions now, by state", labels=["state"])
        for state in SinkState:
            running.add_metric([state], states[state])
        yield running
        waiting = sum(progress.queued for progress in self._sinks.all())
        yield GaugeMetricFamily("livecue_sink_waiting", "Events that wait for a sink", waiting)


class _SchedulerCollector(Collector):
    """Reads the scheduler's counts on each scrape, so that decoding does not count twice."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def collect(self) -> Iterator[Metric]:
        statistics = self._scheduler.statistics
        yield CounterMetricFamily("livecue_engine_batches", "Batches decoded", statistics.batches)
        busy_s = statistics.busy_s
        yield CounterMetricFamily("livecue_engine_busy_seconds", "Time spent decoding, summed over batches", busy_s)
        audio_s = CounterMetricFamily(
            "livecue_engine_audio_seconds", "Audio decoded, by kind of request", labels=["kind"]
        )
        for kind, seconds in statistics.audio_s.items():
            audio_s.add_metric([kind], seconds)
        yield audio_s
        factor = GaugeMetricFamily(
            "livecue_engine_real_time_factor",
            "Decode time per second of audio decoded, over the last half minute of work",
        )
        if (ratio := statistics.real_time_factor.ratio) is not None:
            factor.add_metric([], ratio)
        yield factor
        yield GaugeMetricFamily("livecue_engine_waiting", "Requests waiting for a batch", self._scheduler.waiting)
        yield GaugeMetricFamily("livecue_engine_ready", "1 while batches succeed", int(self._scheduler.is_ready))
        answers = CounterMetricFamily(
            "livecue_engine_answers", "Requests answered, by kind and outcome", labels=["kind", "outcome"]
        )
        for (kind, outcome), count in statistics.outcomes.items():
            answers.add_metric([kind, outcome], count)
        yield answers


class _UpstreamCollector(Collector):
    """Reads the counts of the engine's upstreams on each scrape."""

    def __init__(self, report: Callable[[], PoolReport]) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        pool = self._report()
        labels = ["upstream", "model"]
        answers = CounterMetricFamily("livecue_upstream_answers", "Requests, by outcome", labels=[*labels, "outcome"])
        retries = CounterMetricFamily("livecue_upstream_retries", "Requests that were retried", labels=labels)
        audio_s = CounterMetricFamily("livecue_upstream_audio_seconds", "Audio sent", labels=labels)
        cost = CounterMetricFamily("livecue_upstream_cost", "Cost by the prices of the settings", labels=labels)
        in_flight = GaugeMetricFamily("livecue_upstream_in_flight", "Requests in flight", labels=labels)
        limit = GaugeMetricFamily("livecue_upstream_limit", "Current limit of requests in flight", labels=labels)
        closed = GaugeMetricFamily("livecue_upstream_closed", "1 while its circuit is closed", labels=labels)
        for each in pool.upstreams:
            names = [each.name, each.model]
            for outcome, count in each.answers.items():
                answers.add_metric([*names, outcome], count)
            retries.add_metric(names, each.retries)
            audio_s.add_metric(names, each.audio_s)
            cost.add_metric(names, each.cost)
            in_flight.add_metric(names, each.in_flight)
            limit.add_metric(names, each.limit)
            closed.add_metric(names, int(each.circuit == "closed"))
        yield from (answers, retries, audio_s, cost, in_flight, limit, closed)
        yield CounterMetricFamily(
            "livecue_upstreams_speech_seconds", "Speech requested, each second once", pool.speech_s
        )
        yield GaugeMetricFamily("livecue_upstreams_cost_last_hour", "Cost of the last hour", pool.cost_last_hour)
        yield CounterMetricFamily("livecue_upstreams_hedges", "Finals requested twice", pool.hedges)
        yield CounterMetricFamily("livecue_upstreams_fallbacks", "Finals decoded by the local engine", pool.fallbacks)
