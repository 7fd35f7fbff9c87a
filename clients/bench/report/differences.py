"""How texts differ, word by word: what a correction changed, and which words of a transcript nobody spoke. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from clients.bench.result import Word

__all__ = ["Change", "Piece", "differences", "inserted_words", "is_substituted"]

_CONTEXT_WORDS = 3
"""Of unchanged text beside a change."""


class Change(StrEnum):
    """What became of a piece of text."""

    KEPT = "kept"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive words with the same fate."""

    change: Change
    text: str


def differences(before: str, after: str) -> tuple[Piece, ...]:
    """Return the pieces of which two texts consist, in order; of long unchanged ones only the words beside a change."""
    old, new = before.split(), after.split()
    pieces: list[Piece] = []
    for kind, start, end, new_start, new_end in _opcodes(old, new):
        if kind == "equal":
            pieces.append(Piece(Change.KEPT, _shortened(old[start:end], start == 0, end == len(old))))
            continue
        if end > start:
            pieces.append(Piece(Change.REMOVED, " ".join(old[start:end])))
        if new_end > new_start:
            pieces.append(Piece(Change.ADDED, " ".join(new[new_start:new_end])))
    return tuple(pieces)


def inserted_words(words: Sequence[Word], transcript: str) -> dict[int, tuple[str, ...]]:
    """Return the words of a transcript that stand for no spoken one, by the number of spoken words before them.

    Args:
        words: spoken, with what the transcript has in their places.
        transcript: all of it.
    """
    written = [
        (place, token) for place, word in enumerate(words) for token in (word.written or "").split() if _folded(token)
    ]
    found = [token for token in transcript.split() if _folded(token)]
    inserted: dict[int, tuple[str, ...]] = {}
    for _, start, end, new_start, new_end in _opcodes(
        [_folded(token) for _, token in written], [_folded(token) for token in found]
    ):
        surplus = (new_end - new_start) - (end - start)
        if surplus > 0:
            before = written[end - 1][0] + 1 if end else 0
            inserted[before] = inserted.get(before, ()) + tuple(found[new_end - surplus : new_end])
    return inserted


def is_substituted(word: Word) -> bool:
    """Return whether another word is written in the place of a spoken one; case and punctuation do not count."""
    return word.written is not None and _folded(word.written) != _folded(word.text)


def _opcodes(old: Sequence[str], new: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _shortened(words: Sequence[str], is_first: bool, is_last: bool) -> str:
    """Return unchanged words: those beside the changes before and after them."""
    if is_first and is_last:
        return " ".join(words)
    before = 0 if is_first else _CONTEXT_WORDS
    after = 0 if is_last else _CONTEXT_WORDS
    if len(words) <= before + after + 1:
        return " ".join(words)
    return " ".join([*words[:before], "…", *words[len(words) - after :]])


def _folded(token: str) -> str:
    return "".join(letter for letter in token.casefold() if letter.isalnum())
