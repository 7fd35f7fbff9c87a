"""The text of HLS subtitle files."""

from dataclasses import replace

from gateway.sinks.hls_files import TimedCue, blocks_of, listed_in, playlist_text, segment_name, segment_text
from gateway.wire.cue import Cue, CueState
from tests.sinks import OPENED_S

CUE = Cue("3.1", 3, 1, 0, 16_000, ("a < b", "second"), 0, CueState.FINAL)


def test_a_segment_has_the_map_right_after_its_first_line_and_absolute_times() -> None:
    assert segment_text([TimedCue(CUE, 61_500, 62_500)], 2**33 + 900_000) == (
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n"
        "3.1\n00:01:01.500 --> 00:01:02.500\na &lt; b\nsecond\n\n"
    )


def test_an_empty_segment_is_a_file_too_and_no_cue_is_empty() -> None:
    assert segment_text([], 0) == "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n"
    assert "00:00:01.000 --> 00:00:01.001" in segment_text([TimedCue(CUE, 1_000, 1_000)], 0)


def test_a_playlist_names_its_segments_with_their_dates() -> None:
    assert playlist_text(range(4, 6), 6, OPENED_S, is_over=False).splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:6",
        "#EXT-X-MEDIA-SEQUENCE:4",
        "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:44.000Z",
        "#EXTINF:6.000,",
        "captions-4.vtt",
        "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:50.000Z",
        "#EXTINF:6.000,",
        "captions-5.vtt",
    ]
    assert playlist_text(range(1), 6, OPENED_S, is_over=True).splitlines()[-1] == "#EXT-X-ENDLIST"
    assert segment_name(7) == "captions-7.vtt"


def test_what_was_written_can_be_read_again() -> None:
    assert listed_in(playlist_text(range(4, 6), 6, OPENED_S, is_over=False)) == range(4, 6)
    assert listed_in("") is None
    first, second = TimedCue(CUE, 61_500, 62_500), TimedCue(CUE, 63_000, 64_000)
    assert "".join(blocks_of(segment_text([first, second], 0))) == segment_text([first, second], 0).partition("\n\n")[2]
    assert len(blocks_of(segment_text([first, second], 0))) == 2
    assert blocks_of(segment_text([], 0)) == ()


def test_a_segment_keeps_what_an_earlier_run_has_written_and_has_each_cue_once() -> None:
    first, second = TimedCue(CUE, 61_500, 62_500), TimedCue(replace(CUE, cue_id="3.2"), 63_000, 64_000)
    kept = blocks_of(segment_text([first], 0))
    assert segment_text([replace(first, start_ms=61_501), second], 0, kept) == segment_text([first, second], 0)
