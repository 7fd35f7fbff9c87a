"""Detection of misspelt names, so that they are refused with a suggestion and not silently ignored. PURE."""

from collections.abc import Collection
from difflib import get_close_matches

__all__ = ["MAX_NAMES", "meant_by"]

MAX_NAMES = 32
"""Names of one message that are compared; a client that sends more has not misspelt one."""

_MIN_SIMILARITY = 0.85
"""Minimum similarity: `langauge` and `timestamp_granularity` reach it; `language_code` and `streaming` do not."""

_MAX_CHARS = 64
"""A longer name resembles none, and comparing it would be slow."""


def meant_by(name: str, known: Collection[str], *, only_spelling: bool = False) -> str | None:
    """Return the known name that an unknown one is a misspelling of; None: it resembles none.

    Args:
        name: the unknown name.
        known: the known names.
        only_spelling: whether they may differ only in case and word separators: `sampleRate`, `sample-rate`.
    """
    if len(name) > _MAX_CHARS:
        return None
    plain, wanted = {_plain(each): each for each in known}, _plain(name)
    if only_spelling or wanted in plain:
        return plain.get(wanted)
    matches = get_close_matches(wanted, plain, 1, _MIN_SIMILARITY)
    return plain[matches[0]] if matches else None


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
