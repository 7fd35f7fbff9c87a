"""How many words of a transcript are wrong. PURE.

Words are compared without case and punctuation, and parts of hyphenated words by themselves. Each digit counts as a
word, however they are grouped, and so does each character in scripts without spaces, because only a dictionary says
where their words end.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import normalize

from decoder.stabiliser import normalise_word
from gateway.text import is_unspaced

__all__ = ["WordErrors", "count_errors", "scored_words"]

_BETWEEN_WORDS = re.compile(r"[\s\u002d\u2010-\u2015/]+")
"""White space, hyphens, dashes and slashes."""


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Words of a reference, and the fewest changes that make it the transcript.

    Attributes:
        words: of the reference.
        substituted: of them that the transcript has otherwise.
        inserted: words of the transcript that the reference has not.
        deleted: words of the reference that the transcript has not.
    """

    words: int
    substituted: int = 0
    inserted: int = 0
    deleted: int = 0

    @property
    def wrong(self) -> int:
        """Return all errors together."""
        return self.substituted + self.inserted + self.deleted

    def __add__(self, other: "WordErrors") -> "WordErrors":
        """Return the sum of both."""
        return WordErrors(
            self.words + other.words,
            self.substituted + other.substituted,
            self.inserted + other.inserted,
            self.deleted + other.deleted,
        )


def scored_words(text: str) -> list[str]:
    """Return the words of a text as they are compared."""
    spaced = "".join(f" {letter} " if _is_word(letter) else letter for letter in normalize("NFKC", text))
    words = map(normalise_word, _BETWEEN_WORDS.split(spaced))
    return [word for word in words if any(map(str.isalnum, word))]


def count_errors(reference: Sequence[str], transcript: Sequence[str]) -> WordErrors:
    """Return the errors of a transcript: the fewest there can be (Levenshtein over words).

    Args:
        reference: words that were spoken.
        transcript: words that were written.
    """
    # Each cell holds the errors of the words so far: all of them first, so that the least cell has the fewest.
    row = [(count, 0, count, 0) for count in range(len(transcript) + 1)]
    for deleted, word in enumerate(reference, start=1):
        before, row = row, [(deleted, 0, 0, deleted)]
        for place, other in enumerate(transcript):
            wrong, substituted, inserted, missing = before[place]
            is_wrong = word != other
            aligned = (wrong + is_wrong, substituted + is_wrong, inserted, missing)
            wrong, substituted, inserted, missing = row[place]
            with_insertion = (wrong + 1, substituted, inserted + 1, missing)
            wrong, substituted, inserted, missing = before[place + 1]
            with_deletion = (wrong + 1, substituted, inserted, missing + 1)
            row.append(min(aligned, with_insertion, with_deletion))
    _, substituted, inserted, missing = row[-1]
    return WordErrors(len(reference), substituted, inserted, missing)


def _is_word(letter: str) -> bool:
    return letter.isdecimal() or is_unspaced(letter, letter)
