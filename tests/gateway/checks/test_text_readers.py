"""Files are read as players read them, and what cannot be read is named by its line."""

from collections.abc import Callable

import pytest

from gateway.captions.subtitles import to_srt, to_vtt
from gateway.checks.subtitle import Malformed, Subtitle
from gateway.checks.text_readers import read_ass, read_srt, read_vtt
from gateway.exports.ass import to_ass
from gateway.exports.document import Document, caption_of
from tests.events import final_cue

CUES = [final_cue(1).cue, final_cue(2, 1, 2).cue]
READ = [Subtitle(1, 1_006, 1_012, ("line 1",)), Subtitle(2, 1_012, 1_018, ("line 2",))]


def test_what_is_written_is_read_back() -> None:
    assert read_srt(to_srt(CUES)) == READ
    assert read_vtt(to_vtt(CUES)) == READ
    script = read_ass(to_ass(Document(tuple(map(caption_of, CUES)))))
    assert [(each.start_ms, each.end_ms, each.lines) for each in script] == [
        (1_000, 1_010, ("line 1",)),
        (1_010, 1_020, ("line 2",)),
    ]


def test_subrip_of_other_programs_is_read() -> None:
    text = (
        "\ufeff1\r\n0:00:01.500 --> 00:00:02,000 X1:40\r\n<i>Good</i>\r\n{\\an8}2 < 3\r\n\r\n\r\n"
        "7\r\n00:00:02,000 --> 00:00:03,000\r\n"
    )
    assert read_srt(text) == [
        Subtitle(1, 1_500, 2_000, ("Good", "2 < 3")),
        Subtitle(2, 2_000, 3_000, (), (("number", "7", "2"),)),
    ]
    assert read_srt("00:00:01,000 --> 00:00:02,000\nx") == [
        Subtitle(1, 1_000, 2_000, ("x",), (("number", "none", "1"),))
    ]


def test_webvtt_of_other_programs_is_read() -> None:
    text = (
        "WEBVTT - talk\nKind: captions\n\nNOTE\nno --> cue\n\nSTYLE\n::cue {}\n\n"
        "00:01.000 --> 00:02.000 line:90%\n<v Ann>AT&amp;T</v> <c.loud>now\n\n"
        "intro\n100:00:00.000 --> 100:00:01.000\n\nintro\n100:00:01.000 --> 100:00:02.000\nx\n"
    )
    assert read_vtt(text) == [
        Subtitle(1, 1_000, 2_000, ("AT&T now",)),
        Subtitle(2, 360_000_000, 360_001_000, ()),
        Subtitle(3, 360_001_000, 360_002_000, ("x",), (("identifier", "'intro' again", "each one once"),)),
    ]
    assert read_vtt("WEBVTT") == []


def test_dialogue_is_sorted_by_its_start_and_its_overrides_are_not_text() -> None:
    script = (
        "[Events]\nComment: 0,0:00:00.00,0:00:00.50,Default,,0,0,0,,note\n"
        "Dialogue: 0,0:00:02.00,0:00:03.00,Default,,0,0,0,,two, and more\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\i1}one\\Nline\n"
    )
    assert [(each.number, each.lines) for each in read_ass(script)] == [(1, ("one", "line")), (2, ("two, and more",))]


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_srt, "1\nhello", r"line 2: 'hello', expected START --> END"),
        (read_srt, "1", r"line 2: '', expected START --> END"),
        (read_srt, "1\n00:00 --> 00:01\nx", r"line 2: '00:00' is no time of this format"),
        (read_vtt, "1\n00:00.000 --> 00:01.000", "line 1: expected WEBVTT"),
        (read_vtt, "WEBVTT\n\n00:00.000 --> 00:01,000", "line 3: '00:01,000' is no time of this format"),
        (read_vtt, "WEBVTT\n\nintro", "line 4: '', expected START --> END"),
        (read_ass, "Dialogue: 0,0:00:00.00,0:00:01.00,x", "line 1: a dialogue of 4 fields, expected 10"),
        (read_ass, "\nDialogue: 0,0:00,0:00:01.00,D,,0,0,0,,x", "line 2: '0:00' is no time of this format"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(
    read: Callable[[str], list[Subtitle]], text: str, message: str
) -> None:
    with pytest.raises(Malformed, match=message):
        read(text)
