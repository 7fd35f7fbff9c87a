"""Words written while nobody spoke. PURE."""

from collections.abc import Sequence

from clients.bench.result import Invented
from clients.bench.word_timeline import WordTimeline

__all__ = ["invented_words"]

_S_PER_MINUTE = 60


def invented_words(streams: Sequence[tuple[float, WordTimeline]]) -> Invented | None:
    """Return the words of streams without speech; None: there are no such streams.

    Args:
        streams: played audio in seconds, and displayed words, of each stream without speech.
    """
    if not streams:
        return None
    audio_s = sum(length_s for length_s, _ in streams)
    words = sum(len(timeline.final_words) for _, timeline in streams)
    return Invented(
        audio_s=audio_s,
        words=words,
        words_per_minute=words * _S_PER_MINUTE / audio_s if audio_s else None,
        displayed_words=sum(timeline.displayed_words for _, timeline in streams),
    )
