"""Paragraphs of TTML with their times, from our own and from others' documents."""

import pytest

from gateway.checks.subtitle import Malformed, Subtitle
from gateway.checks.ttml_reader import read_ttml
from gateway.exports.document import Caption, Document
from gateway.exports.ttml import to_ttml

TT = 'xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"'


def read(body: str, attributes: str = "") -> list[Subtitle]:
    return read_ttml(f"<tt {TT} {attributes}><head><p>no</p></head><body>{body}</body></tt>".encode())[1:]


def test_what_is_written_is_read_back() -> None:
    captions = (Caption(1_006, 1_012, ("AT&T <b>", "two"), "Ann"), Caption(2_000, 3_000, ("x",), "Ann"))
    assert read_ttml(to_ttml(Document(captions)).encode()) == [
        Subtitle(1, 1_006, 1_012, ("AT&T <b>", "two")),
        Subtitle(2, 2_000, 3_000, ("x",)),
    ]


@pytest.mark.parametrize(
    ("begin", "end", "span_ms"),
    [
        ("00:00:01.5", "00:00:02", (1_500, 2_000)),
        ("1.5s", "2000ms", (1_500, 2_000)),
        ("0.5m", "1h", (30_000, 3_600_000)),
        ("25f", "00:00:01:05", (1_000, 1_200)),
    ],
)
def test_times_are_clock_times_or_offsets(begin: str, end: str, span_ms: tuple[int, int]) -> None:
    (found,) = read(f'<p begin="{begin}" end="{end}">x</p>', 'ttp:frameRate="25"')
    assert (found.start_ms, found.end_ms) == span_ms


def test_frames_may_have_a_multiplier() -> None:
    (found,) = read('<p begin="30f" dur="30f">x</p>', 'ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"')
    assert (found.start_ms, found.end_ms) == (1_001, 2_002)


def test_times_are_relative_to_the_elements_around_and_within_them() -> None:
    body = '<div begin="10s" dur="3s"><p begin="1s" end="9s">\n a <span>b</span><br/> </p><p/></div><p>c</p><x/><br/>'
    assert [(each.start_ms, each.end_ms, each.lines) for each in read(body)] == [
        (11_000, 13_000, ("a b", "")),
        (10_000, 13_000, ()),
        (0, 0, ("c",)),
    ]


def test_elements_of_other_namespaces_are_not_read() -> None:
    assert [each.lines for each in read('<p>a<m:p xmlns:m="urn:x">b</m:p></p>')] == [("ab",)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<tt", "line 1: "),
        ("<html/>", "line 1: an element html, expected tt of http://www.w3.org/ns/ttml"),
        (f"<tt {TT}>\n<body><p begin='1'/></body></tt>", "line 2: '1' is no time that is read"),
        (f"<tt {TT} ttp:frameRate='x'/>", "line 1: a frame rate of x 1 1, expected whole numbers"),
        (f"<tt {TT} ttp:frameRateMultiplier='1 0'/>", "line 1: a frame rate of 30 1 0, expected whole numbers"),
        (f"<!DOCTYPE tt [<!ENTITY a 'b'>]><tt {TT}/>", "line 1: a document type, expected none"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(content: str, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read_ttml(content.encode())
