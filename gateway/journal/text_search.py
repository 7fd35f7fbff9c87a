"""Finds words in the texts of sessions, whatever their case and accents. PURE."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

__all__ = ["MAX_QUERY_CHARS", "Query", "folded"]

MAX_QUERY_CHARS = 200
"""A sentence."""

_MAX_WORDS = 16

_EXCERPT_CHARS, _CHARS_BEFORE = 160, 60
"""Two lines of a list, and what of them precedes the found word."""

_FIRST_MARK, _LAST_MARK = 0x300, 0x1E94A
"""Characters between which all non-spacing marks are but the variation selectors of ideographs."""


@dataclass(frozen=True, slots=True)
class Query:
    """Words to look for.

    Attributes:
        words: folded; each must occur, also within a longer word, as in scripts without spaces.
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Query":
        """Return the query that somebody types; words beyond the sixteenth are ignored."""
        return cls(tuple(folded(text).split()[:_MAX_WORDS]))

    def excerpt(self, title: str | None, text: str) -> str | None:
        """Return the part of a text that has most of the words; None: a word occurs in neither title nor text.

        Args:
            title: of a session.
            text: of it, a line for each utterance.
        """
        searched, heading = folded(text), folded(title or "")
        if not all(word in searched or word in heading for word in self.words):
            return None
        lines = searched.split("\n")
        best = max(range(len(lines)), key=lambda number: sum(word in lines[number] for word in self.words))
        return self._around(text.split("\n")[best])

    def _around(self, line: str) -> str:
        """Return a line, or its part around the first of the words."""
        pieces = [folded(character) for character in line]
        joined = "".join(pieces)
        found = [at for word in self.words if (at := joined.find(word)) >= 0]
        begin = max(0, _character_at(pieces, min(found, default=0)) - _CHARS_BEFORE)
        begin = begin if len(line) > _EXCERPT_CHARS else 0
        part = line[begin : begin + _EXCERPT_CHARS]
        if begin:
            part = "… " + re.sub(r"^\S{0,20}\s+", "", part)  # the rest of a word that is cut
        if begin + _EXCERPT_CHARS < len(line):
            part = re.sub(r"\s+\S{0,20}$", "", part) + " …"
        return part


def folded(text: str) -> str:
    """Return a text without differences of case, width and accents; line feeds stay where they are."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text).translate(_marks()).casefold()


def _character_at(pieces: list[str], position: int) -> int:
    """Return which character of a line is at a position of the folded line."""
    for number, piece in enumerate(pieces):
        position -= len(piece)
        if position < 0:
            return number
    return 0


@cache
def _marks() -> Mapping[int, None]:
    """Return the non-spacing marks, as `str.translate` removes them."""
    codes = range(_FIRST_MARK, _LAST_MARK + 1)
    return {code: None for code in codes if unicodedata.category(chr(code)) == "Mn"}
