"""Names that a client has nearly right: what is meant is named in the answer, and not ignored. PURE."""

from collections.abc import Collection
from difflib import get_close_matches

__all__ = ["MAX_NAMES", "meant_by"]

MAX_NAMES = 32
"""Names of one message that are worth comparing; a client that sends more has not misspelt one."""

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
    plain, wanted = {_plain(each): each for each in known}, _plain(name)
    if only_spelling or wanted in plain:
        return plain.get(wanted)
    matches = get_close_matches(wanted, plain, 1, _LIKENESS)
    return plain[matches[0]] if matches else None


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
