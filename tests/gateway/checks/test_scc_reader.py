"""A decoder of pop-on captions; `tests/gateway/exports/test_scc.py` compares it with that of ttconv."""

import pytest

from gateway.checks.scc_reader import read_scc
from gateway.checks.subtitle import Malformed, Subtitle
from gateway.exports.document import Caption, Document
from gateway.exports.scc import to_scc

HEADER = "Scenarist_SCC V1.0\n\n"
LOAD = "9420 9420 94ae 94ae 9470 9470"  # resume, erase, row 15
SHOW = "942f 942f"


def read(*lines: str) -> list[Subtitle]:
    return read_scc(HEADER + "\n\n".join(lines))


def test_what_is_written_is_read_back() -> None:
    text = to_scc(Document((Caption(2_000, 4_000, ("Naïve “café”", "♪♪ — É")), Caption(5_000, 6_000, ("x",))))).text
    first, second = read_scc(f"\ufeff{text}")
    assert first == Subtitle(1, 2_002, 4_004, ("Naïve “café”", "♪♪ — É"))
    assert (second.number, second.lines, second.faults) == (2, ("x",), ())


def test_other_modes_and_colours_are_no_text() -> None:
    (only,) = read(f"00:00:01:00\t{LOAD} 91ae 91ae 6180 9723 9723 6280 {SHOW}")
    assert only.lines == ("a   b",)
    assert only.end_ms == only.start_ms + 67  # it stays until the end of the file


def test_a_repeated_code_is_a_repetition_only_at_once() -> None:
    (only,) = read(f"00:00:01:00\t{LOAD} 9137 9137 9137 6180 9137 {SHOW}")
    assert only.lines == ("♪♪a♪",)


def test_a_preamble_with_a_colour_begins_in_the_first_column() -> None:
    (only,) = read(f"00:00:01:00\t9420 9420 94ae 94ae 9462 9462 6180 {SHOW}")
    assert only.lines == ("a",)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([f"00:00:01:00\t{LOAD} 6100 {SHOW}"], ("parity", "6100 at 00:00:01;06", "odd parity in both bytes")),
        (
            [f"00:00:01:00\t{LOAD} {'6161 ' * 17}{SHOW}"],
            ("columns", "text up to column 34", "32"),
        ),
        (
            [f"00:00:01:00\t{LOAD} 6180 {SHOW}", "00:00:01:05\t942c 942c"],
            ("transmission", "begins at 00:00:01;05", "00:00:01;09 or later"),
        ),
    ],
)
def test_faults_belong_to_the_caption(lines: list[str], fault: tuple[str, str, str]) -> None:
    assert [each.faults for each in read(*lines)] == [(fault,)]


def test_a_fault_of_an_erasure_that_erases_nothing_belongs_to_the_caption_before() -> None:
    (only,) = read(f"00:00:01:00\t{LOAD} 6180 {SHOW}", "00:00:03:00\t942c 942c", "00:00:04:00\t142c")
    assert only.faults == (("parity", "142c at 00:00:04;00", "odd parity in both bytes"),)
    assert read("00:00:04:00\t142c") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: '', expected Scenarist_SCC V1.0"),
        ("WEBVTT", "line 1: 'WEBVTT', expected Scenarist_SCC V1.0"),
        (f"{HEADER}00:00:01:00\t94xx", "line 3: expected a time code and words of four hexadecimal digits"),
        (f"{HEADER}00:01:00;00\t9420", "line 3: time code '00:01:00;00': drop-frame counting has no such frame"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(text: str, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read_scc(text)
