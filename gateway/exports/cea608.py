"""The code of CEA-608 ("line 21") captions, channel CC1: characters, control codes and parity. PURE.

A *word* is the two bytes of one frame. Sources: ANSI/CTA-608-E S-2019 and 47 CFR §15.119.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.captions.cue_profiles import to_latin

__all__ = [
    "BASIC",
    "COLUMNS",
    "EDM",
    "ENM",
    "EOC",
    "EXTENDED",
    "MAX_ROWS",
    "RCL",
    "ROWS",
    "ROW_CODES",
    "SPECIAL",
    "LatinText",
    "Unit",
    "has_parity",
    "latin_of",
    "position",
    "text_units",
    "with_parity",
]

COLUMNS = 32
ROWS = 15
MAX_ROWS = 4
"""Of one caption: decoders need display no more, 47 CFR §15.119(d)."""

Unit = tuple[int, ...]
"""Words that must follow one another: one, or a control code twice."""

RCL: Unit = (0x1420, 0x1420)
"""Resume caption loading: what follows is loaded, and not displayed (pop-on)."""

ENM: Unit = (0x142E, 0x142E)
"""Erase non-displayed memory."""

EDM: Unit = (0x142C, 0x142C)
"""Erase displayed memory: the caption disappears."""

EOC: Unit = (0x142F, 0x142F)
"""End of caption: the loaded caption is displayed."""

_REPLACED_ASCII = {"*": "á", "\\": "é", "^": "í", "_": "ó", "`": "ú", "{": "ç", "|": "÷", "}": "Ñ", "~": "ñ"}

BASIC: Mapping[int, str] = MappingProxyType(
    {code: _REPLACED_ASCII.get(chr(code), chr(code)) for code in range(0x20, 0x7F)} | {0x7F: "█"}
)
"""Code of one byte → character: ASCII, but for nine letters."""

_SPECIAL_ROW = "®°½¿™¢£♪à\u00a0èâêîôû"
_SPANISH_ROW = "ÁÉÓÚÜü‘¡*'—©℠•“”ÀÂÇÈÊËëÎÏïÔÙùÛ«»"
_GERMAN_ROW = "ÃãÍÌìÒòÕõ{}\\^_|~ÄäÖöß¥¤¦ÅåØø┌┐└┘"

SPECIAL: Mapping[int, str] = MappingProxyType({0x1130 + index: letter for index, letter in enumerate(_SPECIAL_ROW)})
"""Word → character of the special set; U+00A0 is the transparent space."""

EXTENDED: Mapping[int, str] = MappingProxyType(
    {0x1220 + index: letter for index, letter in enumerate(_SPANISH_ROW)}
    | {0x1320 + index: letter for index, letter in enumerate(_GERMAN_ROW)}
)
"""Word → character of the extended set; it replaces the character before it, which older decoders display."""

_BASIC_CODES = {letter: code for code, letter in BASIC.items()}
_SPECIAL_CODES = {letter: word for word, letter in SPECIAL.items()}
_EXTENDED_CODES = {letter: word for word, letter in EXTENDED.items() if letter not in _BASIC_CODES}

_FALLBACKS = {
    "‘": "'", "¡": "!", "*": "x", "—": "-", "©": "c", "℠": "s", "•": ".", "“": '"', "”": '"', "«": '"', "»": '"',
    "{": "(", "}": ")", "\\": "/", "^": " ", "_": "-", "|": "!", "~": "-", "ß": "s", "¥": "Y", "¤": "o", "¦": "!",
    "Ø": "O", "ø": "o", "┌": "+", "┐": "+", "└": "+", "┘": "+",
}  # fmt: skip
"""Extended character → what older decoders display; letters lose their accents."""

ROW_CODES: Mapping[int, int] = MappingProxyType(
    {
        1: 0x1140, 2: 0x1160, 3: 0x1240, 4: 0x1260, 5: 0x1540, 6: 0x1560, 7: 0x1640, 8: 0x1660,
        9: 0x1740, 10: 0x1760, 11: 0x1040, 12: 0x1340, 13: 0x1360, 14: 0x1440, 15: 0x1460,
    }
)  # fmt: skip
"""Row → its preamble address code, white, in the first column."""

_INDENT = 0x10  # of a preamble address code; bits 1 to 3 count steps of four columns
_INDENT_COLUMNS = 4
_TAB_OFFSET = 0x1720  # 1 to 3 columns to the right
_NULL = 0x00
_LOST = "?"
_PARITY_BIT = 0x80
_BYTE_BITS = 8


@dataclass(frozen=True, slots=True)
class LatinText:
    """Text in the characters of CEA-608.

    Attributes:
        text: the transliterated text.
        spelt: number of characters that were spelt with others.
        lost: number of characters that became `?`, as they have no Latin form.
    """

    text: str
    spelt: int
    lost: int


def latin_of(text: str) -> LatinText:
    """Return the text in the characters of CEA-608, and how many were replaced.

    Args:
        text: one line.
    """
    spelt = lost = 0
    letters: list[str] = []
    for character in unicodedata.normalize("NFC", text):
        latin = _latin(character)
        letters.append(latin)
        lost += latin == _LOST != character
        spelt += latin not in (character, _LOST) and not character.isspace()
    return LatinText("".join(letters), spelt, lost)


def text_units(text: str) -> list[Unit]:
    """Return the words that write a text, two characters of the basic set in each.

    Args:
        text: of `latin_of`.
    """
    units: list[Unit] = []
    first: int | None = None  # byte of a word whose second one is not known yet
    for character in text:
        code = _BASIC_CODES.get(_fallback(character) if character in _EXTENDED_CODES else character)
        if code is not None:
            if first is None:
                first = code
            else:
                units.append((first << _BYTE_BITS | code,))
                first = None
        word = _SPECIAL_CODES.get(character, _EXTENDED_CODES.get(character))
        if word is not None:
            if first is not None:
                units.append((first << _BYTE_BITS | _NULL,))
                first = None
            units.append((word, word))  # twice, as a decoder ignores an immediate repetition
    if first is not None:
        units.append((first << _BYTE_BITS | _NULL,))
    return units


def position(row: int, column: int) -> list[Unit]:
    """Return the codes that begin a row at a column.

    Args:
        row: 1 (top) to 15.
        column: 0 to 31.
    """
    steps, offset = divmod(column, _INDENT_COLUMNS)
    preamble = ROW_CODES[row] + _INDENT + 2 * steps
    tab = _TAB_OFFSET + offset
    return [(preamble, preamble), *([(tab, tab)] if offset else [])]


def with_parity(word: int) -> int:
    """Return a word whose two bytes have odd parity."""
    return _odd(word >> _BYTE_BITS) << _BYTE_BITS | _odd(word & 0xFF)


def has_parity(word: int) -> bool:
    """Return whether both bytes of a word have odd parity."""
    return all(byte.bit_count() % 2 for byte in word.to_bytes(2))


def _odd(byte: int) -> int:
    return byte if byte.bit_count() % 2 else byte | _PARITY_BIT


def _latin(character: str) -> str:
    if character.isspace():
        return " "
    if character == "`":  # the one printable character of ASCII that CEA-608 lacks
        return "'"
    return "".join(letter for letter in to_latin(character) if letter.isprintable())


def _fallback(character: str) -> str:
    return _FALLBACKS.get(character, unicodedata.normalize("NFD", character)[0])
