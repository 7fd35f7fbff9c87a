"""Estimates how long words take to speak, and finds words that the audio has no time for. PURE."""

import unicodedata
from collections.abc import Sequence

from decoder.types import Word
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["syllables", "without_timeless_tail"]

LETTERS_PER_SYLLABLE = 4
"""For alphabets; English has three, German hardly more. A Han, kana or Hangul character is at least one syllable."""

TIMELESS_SHARE = 0.5
"""Words in less than this share of the time that the fastest speaker needs are timeless. Alignments are not that wrong
over several words."""

MIN_TIMELESS_WORDS = 3
"""One or two words of no duration are mostly an alignment error."""

MIN_TIMELESS_SYLLABLES = 3


def syllables(text: str) -> float:
    """Return a lower bound on the number of syllables of the text."""
    count = 0.0
    for word in unicodedata.normalize("NFKC", text).split():
        spoken = [character for character in word if character.isalnum()]
        wide = sum(unicodedata.east_asian_width(character) == "W" for character in spoken)
        narrow = len(spoken) - wide
        count += wide + max(min(1, narrow), narrow / LETTERS_PER_SYLLABLE)
    return count


def without_timeless_tail(words: Sequence[Word], syllables_per_s: float) -> tuple[Word, ...]:
    """Return the words without a tail that takes almost no time.

    A decoder that misses the end of the text continues, often repeating the last sentence. The added words have no
    audio of their own, so the alignment puts all of them into one moment, or beyond the end.

    Args:
        words: in order, with their times; words without a probability have estimated times, and are kept.
        syllables_per_s: speaking rate that no speaker exceeds.
    """
    first = len(words)
    while first > 0 and (first == len(words) or _is_timeless(words[first - 1 : first], syllables_per_s)):
        first -= 1
    if len(words) and not _is_timeless(words[first : first + 1], syllables_per_s):
        first += 1
    tail = words[first:]
    is_long = len(tail) >= MIN_TIMELESS_WORDS and syllables(_text(tail)) >= MIN_TIMELESS_SYLLABLES
    return tuple(words[:first]) if is_long and _is_timeless(tail, syllables_per_s) else tuple(words)


def _is_timeless(words: Sequence[Word], syllables_per_s: float) -> bool:
    if any(word.probability is None for word in words):
        return False
    duration_s = (words[-1].end_sample - words[0].start_sample) / SAMPLE_RATE_HZ
    return duration_s < TIMELESS_SHARE * syllables(_text(words)) / syllables_per_s


def _text(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words)
