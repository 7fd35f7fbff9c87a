"""The code of line 21, against the tables of ttconv."""

import pytest
from ttconv.scc.codes.extended_characters import SccExtendedCharacter
from ttconv.scc.codes.preambles_address_codes import SccPreambleAddressCode
from ttconv.scc.codes.special_characters import SccSpecialCharacter
from ttconv.scc.codes.standard_characters import SCC_STANDARD_CHARACTERS_MAPPING

from gateway.exports.cea608 import (
    BASIC,
    EXTENDED,
    ROW_CODES,
    SPECIAL,
    LatinText,
    has_parity,
    latin_of,
    position,
    text_units,
    with_parity,
)

OTHERWISE_DRAWN = {0x122A, 0x132C, 0x1337, 0x133C, 0x133D, 0x133E, 0x133F}
"""Dashes, bars and corners, for which ttconv has characters of heavier lines."""


def test_the_character_sets_are_those_of_ttconv() -> None:
    assert dict(BASIC) == SCC_STANDARD_CHARACTERS_MAPPING
    special = {code.get_ch1_value(): code.get_unicode_value() for code in SccSpecialCharacter}
    assert {word: letter.replace("\u00a0", " ") for word, letter in SPECIAL.items()} == special
    extended = {code.get_ch1_value(): code.get_unicode_value() for code in SccExtendedCharacter}
    assert set(EXTENDED) == set(extended)
    assert {word: letter for word, letter in EXTENDED.items() if extended[word] != letter}.keys() <= OTHERWISE_DRAWN


@pytest.mark.parametrize("row", ROW_CODES)
@pytest.mark.parametrize("column", [0, 3, 4, 31])
def test_positions_are_those_of_ttconv(row: int, column: int) -> None:
    (preamble, _), *tabs = position(row, column)
    code = SccPreambleAddressCode.find(preamble >> 8, preamble & 0xFF)
    assert (code.get_row(), code.get_indent()) == (row, column // 4 * 4)
    assert tabs == ([(0x1720 + column % 4, 0x1720 + column % 4)] if column % 4 else [])


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", []),
        ("ab", [(0x6162,)]),
        ("abc", [(0x6162,), (0x6300,)]),
        ("♪", [(0x1137, 0x1137)]),
        ("a♪b", [(0x6100,), (0x1137, 0x1137), (0x6200,)]),
        ("É", [(0x4500,), (0x1221, 0x1221)]),
        ("aÉ", [(0x6145,), (0x1221, 0x1221)]),
        ("“é", [(0x2200,), (0x122E, 0x122E), (0x5C00,)]),
    ],
)
def test_text_is_written_two_characters_a_word(text: str, units: list[tuple[int, ...]]) -> None:
    assert text_units(text) == units


def test_each_byte_has_odd_parity() -> None:
    assert with_parity(0x1420) == 0x9420
    assert with_parity(0x6100) == 0x6180
    assert has_parity(0x9420)
    assert not has_parity(0x1420)
    assert not has_parity(0x9421)


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("déjà vu", LatinText("déjà vu", 0, 0)),
        ("e\u0301", LatinText("é", 0, 0)),
        ("Łódź – 5\u00a0€", LatinText("Lódz - 5 EUR", 4, 0)),
        ("a`b\x07", LatinText("a'b", 2, 0)),
        ("Да?", LatinText("???", 0, 2)),
    ],
)
def test_what_is_replaced_is_counted(text: str, latin: LatinText) -> None:
    assert latin_of(text) == latin
