"""HLS subtitles in a folder: a live playlist that goes on by the clock, and cues where players look for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from gateway.errors import ConfigurationError
from gateway.sinks.hls import HlsOptions, HlsSink
from gateway.sinks.sink import Delivery, Item, SessionFacts, SinkTarget, SinkUnavailable
from gateway.sinks.target import parse_target
from gateway.wire import Cue, CueEvent, CueState
from tests.sessions import settled
from tests.sinks import OPENED_S, VirtualTime

FACTS = SessionFacts("a", OPENED_S)
OPTIONS = {"target": "6", "window": "3", "hold": "6", "mpegts": "0"}

BEFORE = ["captions-0.vtt", "captions-1.vtt", "captions-2.vtt"]
"""Segments that are over, and held long enough, when the session is opened."""


def cue(number: int, start_s: float, length_s: float = 2.0) -> Delivery:
    made = Cue(f"{number}.1", number, 1, 0, round(length_s * 16_000), (f"text {number}",), 0, CueState.FINAL)
    return Delivery(CueEvent(number, made), Item.CUE, number, FACTS, OPENED_S + start_s)


@asynccontextmanager
async def running(folder: Path, time: VirtualTime) -> AsyncIterator[HlsSink]:
    sink = HlsSink(folder, HlsOptions.of(SinkTarget("hls", "hls", "", OPTIONS)), FACTS, time.pacing())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sink.run)
        await settled()
        yield sink
        tasks.cancel_scope.cancel()


async def listed(folder: Path, expected: list[str]) -> list[str]:
    """Return the segments of the playlist, once they are the expected ones; files are written in a thread."""
    path, names = folder / "captions.m3u8", list[str]()
    for _ in range(1_000):
        names = [line for line in path.read_text().splitlines() if line[0] != "#"] if path.exists() else []
        if names == expected:
            break
        await anyio.sleep(0.01)
    return names


async def passed(time: VirtualTime, folder: Path, seconds: int, names: list[str]) -> None:
    """Let time pass, until the playlist has these segments."""
    for _ in range(seconds):
        await time.pass_time(1.0)
    assert await listed(folder, names) == names


async def test_empty_segments_of_the_time_before_the_session_are_listed_at_once(tmp_path: Path) -> None:
    """Players request the playlist as soon as they have its address; hls.js stops the video if it is not there."""
    time = VirtualTime()
    async with running(tmp_path, time):
        assert await listed(tmp_path, BEFORE) == BEFORE
    playlist = (tmp_path / "captions.m3u8").read_text()
    assert "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:12:56.000Z\n#EXTINF:6.000,\ncaptions-0.vtt\n" in playlist
    assert "-->" not in "".join((tmp_path / name).read_text() for name in BEFORE)


async def test_segments_are_listed_when_they_are_over_with_or_without_cues(tmp_path: Path) -> None:
    time = VirtualTime()
    async with running(tmp_path, time) as sink:
        await sink.send(cue(1, 5.0))
        await passed(time, tmp_path, 11, ["captions-1.vtt", "captions-2.vtt", "captions-3.vtt"])
        await passed(time, tmp_path, 2, ["captions-2.vtt", "captions-3.vtt", "captions-4.vtt"])
        await passed(time, tmp_path, 12, ["captions-4.vtt", "captions-5.vtt", "captions-6.vtt"])
    for name, has_cue in (("captions-4.vtt", True), ("captions-5.vtt", True), ("captions-6.vtt", False)):
        assert ("text 1" in (tmp_path / name).read_text()) is has_cue, "a cue is in each segment that it overlaps"
    assert "00:00:05.000 --> 00:00:07.000" in (tmp_path / "captions-4.vtt").read_text()


async def test_a_cue_that_comes_too_late_is_in_the_next_segment_with_its_own_time(tmp_path: Path) -> None:
    time = VirtualTime()
    async with running(tmp_path, time) as sink:
        await passed(time, tmp_path, 13, ["captions-2.vtt", "captions-3.vtt", "captions-4.vtt"])
        await sink.send(cue(1, 2.0))
        await sink.send(cue(1, 2.0))
    text = (tmp_path / "captions-5.vtt").read_text()
    assert text.count("00:00:02.000 --> 00:00:04.000") == 1, "once, though it was sent again"


async def test_the_window_moves_and_the_end_is_marked(tmp_path: Path) -> None:
    time = VirtualTime()
    async with running(tmp_path, time) as sink:
        for number in range(12):
            await sink.send(cue(number, 6.0 * number + 1.0))
            await passed(time, tmp_path, 6, [f"captions-{n}.vtt" for n in range(number + 1, number + 4)])
    await sink.finish()
    playlist = (tmp_path / "captions.m3u8").read_text()
    assert playlist.endswith("captions-15.vtt\n#EXT-X-ENDLIST\n")
    assert not (tmp_path / "captions-0.vtt").exists()


async def test_after_a_restart_the_numbers_go_on(tmp_path: Path) -> None:
    time = VirtualTime(OPENED_S + 600.0)
    async with running(tmp_path, time) as sink:
        await sink.send(cue(1, 595.0))
        await passed(time, tmp_path, 7, ["captions-103.vtt"])
    assert "#EXT-X-MEDIA-SEQUENCE:103" in (tmp_path / "captions.m3u8").read_text()
    assert "text 1" in (tmp_path / "captions-103.vtt").read_text()


async def test_after_a_restart_the_playlist_and_its_cues_go_on(tmp_path: Path) -> None:
    time = VirtualTime()
    async with running(tmp_path, time) as sink:
        await sink.send(cue(1, 5.0))
        await sink.send(cue(2, 7.0))
        await passed(time, tmp_path, 13, ["captions-2.vtt", "captions-3.vtt", "captions-4.vtt"])
    await time.pass_time(4.0)
    async with running(tmp_path, time) as sink:
        await sink.send(cue(2, 7.0))  # it was taken, but the gateway could not note that
        await sink.send(cue(3, 13.0))
        await passed(time, tmp_path, 8, ["captions-4.vtt", "captions-5.vtt", "captions-6.vtt"])
    text = (tmp_path / "captions-5.vtt").read_text()
    assert [text.count(f"text {number}") for number in (1, 2, 3)] == [1, 1, 0]
    assert "text 3" in (tmp_path / "captions-6.vtt").read_text()


async def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    folder, time = tmp_path / "a", VirtualTime()
    folder.touch()
    async with running(folder, time) as sink:
        with pytest.raises(SinkUnavailable):
            await sink.send(cue(1, 5.0))
        folder.unlink()
        await sink.send(cue(1, 5.0))
        assert "text 1" in (folder / "captions-4.vtt").read_text()


@pytest.mark.parametrize(
    ("options", "mpegts"),
    [
        ({}, 900_000),
        ({"mpegts": "5"}, 5),
        ({"epoch": str(OPENED_S - 61.5)}, 61.5 * 90_000),
        ({"epoch": str(OPENED_S + 1.0)}, 2**33 - 90_000),
    ],
)
async def test_cues_are_mapped_to_the_timestamps_of_the_video(
    tmp_path: Path, options: dict[str, str], mpegts: float
) -> None:
    time = VirtualTime()
    sink = HlsSink(tmp_path, HlsOptions.of(SinkTarget("hls", "hls", "", options)), FACTS, time.pacing())
    await sink.send(cue(1, 5.0))
    assert f"X-TIMESTAMP-MAP=MPEGTS:{mpegts:.0f}," in (tmp_path / "captions-4.vtt").read_text()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("hls:a", "expected hls:///FOLDER"),
        ("hls://host/a", "expected hls:///FOLDER"),
        ("hls:///a#target=0", "target='0': expected a whole number"),
        ("hls:///a#mpegts=x", "mpegts='x': expected a whole number"),
        ("hls:///a#epoch=x", "epoch='x': expected seconds since 1970"),
        ("hls:///a#epoch=nan", "epoch='nan': expected seconds since 1970"),
        ("hls:///a#epoch=1&mpegts=1", "expected mpegts or epoch, not both"),
    ],
)
def test_a_wrong_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_target("hls", url)
