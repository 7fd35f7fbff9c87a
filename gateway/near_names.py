"""Names that a client has nearly right: what is meant is told, and not left out of account. PURE."""

from collections.abc import Collection
from difflib import get_close_matches

__all__ = ["meant_by"]

_LIKENESS = 0.85
"""`langauge` and `timestamp_granularity` are as like as that; `language_code` and `streaming` are other names."""

_MAX_CHARS = 64
"""A longer name is near none, and comparing takes its time."""


def meant_by(name: str, known: Collection[str], *, only_spelling: bool = False) -> str | None:
    """Return the known name that another one is meant to be; None: it is one of something else.

    Args:
        name: that is not known.
        known: names.
        only_spelling: whether they may differ only in case and in what joins words: `sampleRate`, `sample-rate`.
    """
    if len(name) > _MAX_CHARS:
        return None
    plain = {_plain(each): each for each in known}
    matches = get_close_matches(_plain(name), plain, 1, 1.0 if only_spelling else _LIKENESS)
    return plain[matches[0]] if matches else None


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
