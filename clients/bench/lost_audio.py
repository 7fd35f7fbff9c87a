"""The audit of lost audio: stretches of speech of which no final has a word, right or wrong. PURE."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from clients.bench.matched_words import MatchedWord
from clients.bench.reference import PAUSE_S
from clients.bench.result import UnansweredStretch

__all__ = ["speech_s", "unanswered_stretches"]


def unanswered_stretches(
    words: Sequence[MatchedWord], least_s: float, least_words: int
) -> Iterator[tuple[UnansweredStretch, float]]:
    """Yield the stretches of successive words without an answer, each with its speech in seconds.

    Args:
        words: of one stream.
        least_s: shorter stretches are not reported,
        least_words: unless they have as many words.
    """
    for is_answered, group in groupby(words, key=lambda word: bool(word.written)):
        lost = list(group)
        length_s = speech_s(lost)
        if not is_answered and (length_s >= least_s or len(lost) >= least_words):
            yield UnansweredStretch(lost[0].spoken.start_s, lost[-1].spoken.end_s, len(lost)), length_s


def speech_s(words: Sequence[MatchedWord]) -> float:
    """Return the length of the speech from the first to the last word, without pauses that end speech."""
    length_s = words[-1].spoken.end_s - words[0].spoken.start_s
    gaps_s = [later.spoken.start_s - earlier.spoken.end_s for earlier, later in pairwise(words)]
    return length_s - sum(gap_s for gap_s in gaps_s if gap_s >= PAUSE_S)
