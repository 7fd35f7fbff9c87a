"""Phrases that a transcript has twice in a row but were spoken once. PURE.

A phrase is three words or more, or a whole sentence. Phrases that were really spoken twice do not count, nor do those
that only look doubled because words between them were lost: in the alignment of the transcript with the reference, at
least half of a copy must be surplus. It need not be all, as an alignment pairs some words of the surplus copy with
other, wrong words.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.captions import aligned
from decoder.stabiliser import normalise_word

__all__ = ["LEAST_WORDS", "doubled_phrases", "spelled_words"]

LEAST_WORDS = 3
"""Two words in a row occur twice in every conversation."""

LONGEST_WORDS = 40
"""More do not fit into an utterance twice."""

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, slots=True)
class _Written:
    """A word as it is compared, and whether it begins or ends a sentence."""

    text: str
    begins: bool
    ends: bool


def spelled_words(text: str) -> list[str]:
    """Return the words of a text as they are compared: without case and punctuation, numbers digit by digit."""
    return [word.text for word in _written([text])]


def doubled_phrases(texts: Sequence[str], spoken: Sequence[str]) -> list[str]:
    """Return the phrases that are written twice in a row and were not spoken twice, in order.

    Args:
        texts: of one session's finals, in order.
        spoken: the words of the reference, from `spelled_words`.
    """
    written = list(_written(texts))
    words = [word.text for word in written]
    right = {j for i, j in aligned(spoken, words) if i is not None and j is not None and spoken[i] == words[j]}
    found = []
    place = 0
    while place < len(words):
        length = _doubled_at(written, place)
        copies = range(place, place + 2 * length)
        if length and 2 * sum(number not in right for number in copies) >= length:
            found.append(" ".join(words[place : place + length]))
            place += length  # a third copy counts again
        else:
            place += 1
    return found


def _doubled_at(written: Sequence[_Written], place: int) -> int:
    """Return the length of the shortest phrase that stands there twice in a row, or 0."""
    words = [word.text for word in written[place : place + 2 * LONGEST_WORDS]]
    for length in range(1, len(words) // 2 + 1):
        if words[:length] == words[length : 2 * length] and (
            length >= LEAST_WORDS or _is_sentence(written[place : place + length])
        ):
            return length
    return 0


def _is_sentence(written: Sequence[_Written]) -> bool:
    return written[0].begins and written[-1].ends


def _written(texts: Sequence[str]) -> Iterator[_Written]:
    begins = True
    for text in texts:
        for piece in text.split():
            ends = piece.rstrip("\"'”’)").endswith((".", "?", "!"))
            spelled = _spelled(piece)
            for number, word in enumerate(spelled):
                yield _Written(word, begins and number == 0, ends and number == len(spelled) - 1)
            begins = ends or (begins and not spelled)


def _spelled(piece: str) -> list[str]:
    """Return the words of a piece between spaces; hyphens and commas within it separate words too."""
    parts = (part for run in re.split(r"[-–—,/]", piece) for part in re.findall(r"\d|\D+", run))
    words = (_DIGITS[int(part)] if part.isdecimal() and part.isascii() else normalise_word(part) for part in parts)
    return [word for word in words if any(map(str.isalnum, word))]
