"""How displayed text changes, summed over streams. PURE."""

from collections.abc import Sequence

from clients.bench.result import Stability
from clients.bench.word_timeline import WordTimeline

__all__ = ["stability_of"]


def stability_of(timelines: Sequence[WordTimeline]) -> Stability:
    """Return the sums over streams with speech; erasure is None without partials or final words."""
    final_words = sum(len(timeline.final_words) for timeline in timelines)
    erased = sum(timeline.counts.erased for timeline in timelines)
    erased_by_final = sum(timeline.counts.erased_by_final for timeline in timelines)
    is_measured = final_words > 0 and any(timeline.has_partials for timeline in timelines)
    return Stability(
        updates=sum(len(timeline.counts.updates_s) for timeline in timelines),
        final_words=final_words,
        erased_words=erased,
        erased_by_final=erased_by_final,
        normalised_erasure=erased / final_words if is_measured else None,
        normalised_erasure_with_final=(erased + erased_by_final) / final_words if is_measured else None,
        withdrawn_words=sum(timeline.withdrawn_words for timeline in timelines),
        changed_by_final=sum(timeline.counts.changed_by_final for timeline in timelines),
    )
