"""What one session counts, and how it gets into the metrics."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.metrics import Metrics

__all__ = ["SessionCounts", "SessionStats"]


@dataclass(frozen=True, slots=True)
class SessionStats:
    """What the pipelines of a session have counted.

    Attributes:
        finals: that were emitted.
        filtered: what the hallucination filter found: (partial or final, reason) → times.
        eager_used: finals whose words an eager request had brought, or was about to, when the utterance ended.
        eager_dropped: eager requests that were discarded.
    """

    finals: int = 0
    filtered: Mapping[tuple[str, str], int] = field(default_factory=dict)
    eager_used: int = 0
    eager_dropped: int = 0

    def __add__(self, other: "SessionStats") -> "SessionStats":
        """Return the counts of both."""
        return SessionStats(
            self.finals + other.finals,
            Counter(self.filtered) + Counter(other.filtered),
            self.eager_used + other.eager_used,
            self.eager_dropped + other.eager_dropped,
        )


class SessionCounts:
    """Adds what one session counts to the metrics, as it grows."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._eager: Counter[str] = Counter()
        self._guarded: Counter[tuple[str, str]] = Counter()

    def bring_up(self, stats: SessionStats) -> None:
        """Bring the metrics up to what the session has counted by now."""
        eager, guarded = {"used": stats.eager_used, "dropped": stats.eager_dropped}, stats.filtered
        for outcome, count in (Counter(eager) - self._eager).items():
            self._metrics.eager.labels(outcome).inc(count)
        for (kind, reason), count in (Counter(guarded) - self._guarded).items():
            self._metrics.guarded.labels(kind, reason).inc(count)
        self._eager, self._guarded = Counter(eager), Counter(guarded)
