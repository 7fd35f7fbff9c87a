"""The counts of one session, and their way into the metrics."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.metrics import Metrics

__all__ = ["SessionCounts", "SessionStats"]


@dataclass(frozen=True, slots=True)
class SessionStats:
    """The counts of a session's pipelines.

    Attributes:
        finals: emitted.
        filtered: findings of the hallucination filter: (`partial` or `final`, reason) → count.
        eager_used: finals answered by an eager request, complete or outstanding when the utterance ended.
        eager_dropped: eager requests discarded.
        words: in the finals.
        lag_s: seconds of audio received since the end of the oldest utterance whose final is outstanding, of the
            channel that is furthest behind.
    """

    finals: int = 0
    filtered: Mapping[tuple[str, str], int] = field(default_factory=dict)
    eager_used: int = 0
    eager_dropped: int = 0
    words: int = 0
    lag_s: float = 0.0

    def __add__(self, other: "SessionStats") -> "SessionStats":
        """Return the sums of the counts, and the greater lag."""
        return SessionStats(
            self.finals + other.finals,
            Counter(self.filtered) + Counter(other.filtered),
            self.eager_used + other.eager_used,
            self.eager_dropped + other.eager_dropped,
            self.words + other.words,
            max(self.lag_s, other.lag_s),
        )


class SessionCounts:
    """Adds the growing counts of one session to the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._eager: Counter[str] = Counter()
        self._filtered: Counter[tuple[str, str]] = Counter()

    def update(self, stats: SessionStats) -> None:
        """Add what has been counted since the last update to the metrics."""
        eager, filtered = Counter(used=stats.eager_used, dropped=stats.eager_dropped), Counter(stats.filtered)
        for outcome, count in (eager - self._eager).items():
            self._metrics.eager.labels(outcome).inc(count)
        for (kind, reason), count in (filtered - self._filtered).items():
            self._metrics.guarded.labels(kind, reason).inc(count)
        self._eager, self._filtered = eager, filtered
