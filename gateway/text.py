"""Text layout: columns, and scripts without spaces. PURE."""

import re
import unicodedata
from collections.abc import Iterable

__all__ = ["CJK", "character_width", "is_unspaced", "join_lines", "text_width"]

CJK = "\u2e80-\u312f\u3190-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff01-\uffef\U00020000-\U0003ffff"
"""Chinese and Japanese characters, as a class of a regular expression; without Hangul, which is written with spaces."""

_UNSPACED_CHARACTER = re.compile(f"[{CJK}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
"""Also Thai, Lao, Burmese and Khmer."""


def join_lines(lines: Iterable[str]) -> str:
    """Return the lines as one: joined with a space, or with nothing where a script without spaces meets the break.

    Args:
        lines: lines without white space at their ends, none empty.
    """
    joined = ""
    for line in lines:
        separator = " " if joined and not is_unspaced(joined[-1], line[0]) else ""
        joined += separator + line
    return joined


def is_unspaced(before: str, after: str) -> bool:
    """Return whether one of two characters is of a script without spaces, so that none need stand between them."""
    return bool(_UNSPACED_CHARACTER.match(before) or _UNSPACED_CHARACTER.match(after))


def text_width(text: str) -> int:
    """Return the columns of a text: two for East Asian wide characters, none for combining and format characters.

    Args:
        text: any text, counted as one line.
    """
    return sum(character_width(character) for character in text)


def character_width(character: str) -> int:
    """Return the columns of one character: 0, 1 or 2."""
    if character.isascii():
        return 1
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
