"""What a dialect or a test set cannot show is withheld, with the reason, rather than reported as a number. PURE."""

from collections.abc import Iterable, Sequence

from msgspec import structs

from clients.bench.measured_stream import MeasuredStream
from clients.bench.result import Percentiles, Run

__all__ = ["withhold"]

_OF_TIMES = (
    "first_shown",
    "word_shown",
    "word_committed",
    "word_final",
    "final",
    "finals",
    "first_partial",
    "update_gap",
    "unanswered_s",
    "goodput",
)
_OF_PARTIALS = ("first_shown", "word_shown", "first_partial", "update_gap", "stability")

_LAGS = frozenset({"first_shown", "word_shown", "word_committed", "word_final", "final", "first_partial", "update_gap"})


def withhold(run: Run, streams: Sequence[MeasuredStream]) -> Run:
    """Return a run without the metrics that its streams cannot show.

    Args:
        run: of all streams.
        streams: of the run, those that were refused excluded.
    """
    spoken = [stream for stream in streams if stream.is_speech]
    answered = [stream for stream in spoken if stream.trace.transcripts]
    reasons: dict[str, str] = {}
    if answered and not any(stream.timeline.has_commitments for stream in answered):
        reasons["word_committed"] = "no transcript promised to keep a part of its text"
    if answered and not any(stream.timeline.has_partials for stream in answered):
        reasons |= dict.fromkeys(_OF_PARTIALS, "there were no partial transcripts: words are displayed by their finals")
    if spoken and not any(stream.is_timed for stream in spoken):
        reasons |= dict.fromkeys(_OF_TIMES, "the times of the spoken words are unknown")
    return structs.replace(run, withheld=reasons, **_emptied(reasons))


def _emptied(names: Iterable[str]) -> dict[str, Percentiles]:
    return {name: Percentiles(0) for name in names if name in _LAGS}
