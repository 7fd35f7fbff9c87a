"""Other people's parsers read back what was written."""

import json
from collections.abc import Callable
from dataclasses import replace

import pysubs2
import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.captions.subtitles import VTT_HEADER, srt_block, to_json, to_srt, to_vtt, vtt_block
from gateway.wire.cue import Cue, CueState

ZERO_WIDTH_SPACE = "\u200b"
HOUR_SAMPLES = 3600 * 16_000


def cue(*lines: str, start_sample: int = 16_000, end_sample: int = 48_000, cue_id: str = "0.1") -> Cue:
    length = len("\n".join(lines))
    return Cue(cue_id, int(cue_id.split(".")[0]), 1, start_sample, end_sample, lines, length, CueState.FINAL)


def visible_line(line: str) -> bool:
    return bool(line.strip())


# Tags, escapes, time lines and keywords of the formats, as someone might dictate or an engine might invent them.
NASTY = (
    "<b>",
    "</i>",
    "< font >",
    "<00:01.000>",
    "&amp;",
    "&",
    "-->",
    "{\\an8}",
    "NOTE",
    "STYLE",
    "WEBVTT",
    "1",
    "<v Al>",
)
plain_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Cs"]), min_size=1)
nasty_line = (
    st.lists(st.one_of(st.sampled_from(NASTY), plain_text), min_size=1, max_size=5)
    .map(lambda parts: " ".join("".join(part.split()) for part in parts).strip())
    .filter(visible_line)
)


@st.composite
def sessions(draw: st.DrawFn) -> list[Cue]:
    """Final cues as a builder makes them: in order, at least 40 ms long, perhaps with nothing between them."""
    cues: list[Cue] = []
    end_sample = draw(st.integers(0, 90 * HOUR_SAMPLES))
    for number in range(draw(st.integers(1, 5))):
        start_sample = end_sample + draw(st.integers(0, 50_000))
        end_sample = start_sample + draw(st.integers(640, 100_000))
        lines = draw(st.lists(nasty_line, min_size=1, max_size=2))
        cues.append(cue(*lines, start_sample=start_sample, end_sample=end_sample, cue_id=f"{number}.1"))
    return cues


def spans_ms(cues: list[Cue]) -> list[tuple[int, int]]:
    return [(c.start_sample // 16, c.end_sample // 16) for c in cues]


def milliseconds(stamp: str) -> int:
    hours, minutes, seconds = stamp.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000 + int(seconds.replace(".", ""))


def caption_spans_ms(captions: list[webvtt.Caption]) -> list[tuple[int, int]]:
    return [(milliseconds(caption.start), milliseconds(caption.end)) for caption in captions]


def without_mark(text: str) -> str:
    return text.replace(ZERO_WIDTH_SPACE, "")


def unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@settings(deadline=None)
@given(sessions())
def test_webvtt_reads_back_identifiers_times_and_text(cues: list[Cue]) -> None:
    captions = webvtt.from_string(to_vtt(cues), strict=True).captions

    assert [caption.identifier for caption in captions] == [c.cue_id for c in cues]
    assert caption_spans_ms(captions) == spans_ms(cues)
    assert [unescaped(caption.raw_text) for caption in captions] == ["\n".join(c.lines) for c in cues]


@settings(deadline=None)
@given(sessions())
def test_webvtt_sees_no_tags_in_the_words(cues: list[Cue]) -> None:
    captions = webvtt.from_string(to_vtt(cues)).captions

    assert all("<" not in caption.raw_text and ">" not in caption.raw_text for caption in captions)


@settings(deadline=None)
@given(sessions())
def test_webvtt_reads_subrip_back(cues: list[Cue]) -> None:
    captions = webvtt.from_buffer(to_srt(cues).splitlines(), format="srt").captions

    assert caption_spans_ms(captions) == spans_ms(cues)
    assert [without_mark(caption.raw_text) for caption in captions] == [without_mark("\n".join(c.lines)) for c in cues]


@settings(deadline=None)
@given(sessions())
def test_pysubs2_reads_subrip_back_and_swallows_nothing(cues: list[Cue]) -> None:
    # pysubs2 takes a last line of digits for the number of the next cue, so the file ends with a cue of letters.
    last = cue("end", start_sample=cues[-1].end_sample, end_sample=cues[-1].end_sample + 640)
    events = pysubs2.SSAFile.from_string(to_srt([*cues, last]), format_="srt").events[:-1]

    assert [(event.start, event.end) for event in events] == spans_ms(cues)
    assert [without_mark(event.text.replace("\\N", "\n")) for event in events] == [
        without_mark("\n".join(c.lines)) for c in cues
    ]


@settings(deadline=None)
@given(sessions())
def test_a_live_file_appended_to_equals_the_whole_one(cues: list[Cue]) -> None:
    assert VTT_HEADER + "".join(vtt_block(c) for c in cues) == to_vtt(cues)
    assert "".join(srt_block(number, c) for number, c in enumerate(cues, start=1)) == to_srt(cues)


@settings(deadline=None)
@given(sessions())
def test_json_holds_all_of_a_cue(cues: list[Cue]) -> None:
    assert json.loads(to_json(cues)) == [
        {
            "id": c.cue_id,
            "utterance_id": c.utterance_id,
            "start_s": start / 1000,
            "end_s": end / 1000,
            "lines": list(c.lines),
        }
        for c, (start, end) in zip(cues, spans_ms(cues), strict=True)
    ]


def test_a_webvtt_block_looks_like_this() -> None:
    displayed = cue("AT&T --> <b>you</b>", "and me", start_sample=HOUR_SAMPLES + 24_000, end_sample=101 * HOUR_SAMPLES)

    assert vtt_block(displayed) == (
        "0.1\n01:00:01.500 --> 101:00:00.000\nAT&amp;T --&gt; &lt;b&gt;you&lt;/b&gt;\nand me\n\n"
    )


def test_a_subrip_block_looks_like_this() -> None:
    assert srt_block(7, cue("2 < 3 & 4", "R&D")) == "7\n00:00:01,000 --> 00:00:03,000\n2 < 3 & 4\nR&D\n\n"


@pytest.mark.parametrize("markup", ["<b>", "</b>", "< i >", "<!-- x -->", "{\\an8}", "1 --> 2"])
def test_markup_in_subrip_is_kept_from_the_reader_by_an_invisible_mark(markup: str) -> None:
    written = srt_block(1, cue(markup)).split("\n")[2]

    assert ZERO_WIDTH_SPACE in written
    assert written.replace(ZERO_WIDTH_SPACE, "") == markup


def test_a_cue_shorter_than_a_millisecond_lasts_one() -> None:
    displayed = cue("x", start_sample=16_007, end_sample=16_008)

    assert "00:00:01.000 --> 00:00:01.001" in vtt_block(displayed)


def test_line_ends_and_blank_lines_inside_a_cue_do_not_end_it() -> None:
    displayed = cue("one\r\n\r\ntwo", "  ", "\0three\u2028four ")

    assert vtt_block(displayed).split("\n")[2:] == ["one", "two", "\ufffdthree", "four", "", ""]


def test_no_cues_make_an_empty_file() -> None:
    assert (to_vtt([]), to_srt([]), to_json([])) == (VTT_HEADER, "", "[]")


@pytest.mark.parametrize("write", [to_srt, to_vtt, to_json])
def test_a_partial_cue_is_refused(write: Callable[[list[Cue]], str]) -> None:
    with pytest.raises(ValueError, match=r"cue 0\.1 is partial"):
        write([replace(cue("x"), state=CueState.PARTIAL)])
