"""What a trial of some concurrent streams has shown, and whether it meets the objective. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass

from clients.bench.percentiles import percentiles
from gateway.load.estimator import EngineTime

__all__ = ["Objective", "StreamRecord", "Trial", "first_count"]

_TARGET_LOAD = 0.9
"""As `limits.target_load`: where the search begins."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What every trial has to meet.

    Attributes:
        final_s: 95 % of finals come at most so long after the end of speech, in seconds. 2 s: of which 0.7 s are the
            silence that ends an utterance; readers of captions lose the thread beyond.
        stretch: 95 % of the streams end with partials at most so many times less often than set.
    """

    final_s: float = 2.0
    stretch: float = 2.0

    def __str__(self) -> str:
        return (
            f"95 % of finals within {self.final_s:g} s of the end of speech, partials at 1/{self.stretch:g} of their "
            "rate or more often, no final missing"
        )


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """What one stream received.

    Attributes:
        final_lags_s: from the end of speech to each final, in seconds.
        missing: utterances that ended without a final, or with the error of one.
        stretch: interval of partials at the end, in multiples of the set one, ≥ 1.
    """

    final_lags_s: tuple[float, ...]
    missing: int
    stretch: float


@dataclass(frozen=True, slots=True)
class Trial:
    """Some concurrent streams.

    Attributes:
        streams: what each received, one or more.
    """

    streams: Sequence[StreamRecord]

    @property
    def final_p50_s(self) -> float | None:
        """Median lag of finals; None: there were none."""
        return percentiles([lag_s for stream in self.streams for lag_s in stream.final_lags_s]).p50

    @property
    def final_p95_s(self) -> float | None:
        """95th percentile of the lags of finals; None: there were none."""
        return percentiles([lag_s for stream in self.streams for lag_s in stream.final_lags_s]).p95

    @property
    def stretch(self) -> float:
        """95th percentile of the streams' stretch, ≥ 1."""
        return percentiles([stream.stretch for stream in self.streams]).p95 or 1.0

    @property
    def missing(self) -> int:
        """Finals that are missing."""
        return sum(stream.missing for stream in self.streams)

    def meets(self, objective: Objective) -> bool:
        """Return whether all of it is met; a trial without a final meets nothing."""
        p95_s = self.final_p95_s
        return (
            p95_s is not None and p95_s <= objective.final_s and self.stretch <= objective.stretch and not self.missing
        )


def first_count(cost: EngineTime, audio_s: float, objective: Objective, most: int) -> int:
    """Return how many streams to try after a single one, from its cost: at least two, since one was tried.

    Args:
        cost: engine time of the single stream, whose partials came at the set interval.
        audio_s: its audio, in seconds, > 0.
        objective: how rare partials may be.
        most: streams to try at most, ≥ 1.
    """
    each = (cost.finals_s + cost.partials_s / objective.stretch) / audio_s
    return most if each <= 0 else min(most, max(2, round(_TARGET_LOAD / each)))
