"""A stream over several connections, each scripted; the clock is the test's own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio
import pytest

from clients.reconnect import BackOff
from clients.sources.address_policy import AddressPolicy
from clients.sources.errors import SourceError, SourceRefused
from clients.sources.messages import Ended, Failed, Message, Opened, Request
from clients.sources.source import Source, SourceChange, SourceOptions, open_source
from clients.sources.source_url import parse_source_url
from clients.sources.timeline import TimedAudio
from gateway.wire import Flush, LostAudio
from tests.clients.sources.serving import HOST, Page, web_server
from tests.media import encoded

URL = "rtsp://camera.lan/talk"
PIECE_S = 0.1
PCM = b"\1\0" * 1_600
LIVE = Opened(is_live=True)


@dataclass
class Air:
    """Scripted connections, and the time.

    Attributes:
        connections: what each of them receives; a number is a time to pass, None waits for ever.
    """

    connections: list[list[Message | float | None]]
    now_s: float = 1_000.0
    requests: list[Request] = field(default_factory=list)
    changes: list[SourceChange] = field(default_factory=list)
    is_open: bool = False

    def options(self, **changes: object) -> SourceOptions:
        back_off = BackOff(give_up_s=60.0, clock=lambda: self.now_s, sleep=self.sleep, jitter=lambda: 0.0)
        given: dict[str, object] = {
            "text": URL,
            "policy": AddressPolicy(("camera.lan",)),
            "back_off": back_off,
            "on_change": self.changes.append,
            "connect": self.connect,
        }
        return SourceOptions(**given | changes)  # type: ignore[arg-type]

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    async def connect(self, request: Request) -> "Scripted":
        self.requests.append(request)
        self.is_open = True
        return Scripted(self, self.connections.pop(0) if self.connections else [Failed("out of reach")])


@dataclass
class Scripted:
    air: Air
    script: list[Message | float | None]

    async def receive(self) -> Message:
        await anyio.lowlevel.checkpoint()
        step = self.script.pop(0)
        while isinstance(step, float):
            self.air.now_s += step
            step = self.script.pop(0)
        if step is None:
            await anyio.sleep_forever()
        assert step is not None
        if isinstance(step, TimedAudio):
            self.air.now_s += PIECE_S
        return step

    async def aclose(self) -> None:
        self.air.is_open = False


class Received(NamedTuple):
    """What a source yields; of gaps, the sample before which each is marked, and its length in samples."""

    pcm: bytes
    flushes: list[Flush]
    gaps: list[tuple[int, int]]


def speech(begin_s: float, seconds: float) -> list[Message | float | None]:
    return [TimedAudio(begin_s + index * PIECE_S, PCM) for index in range(round(seconds / PIECE_S))]


async def received(air: Air, **options: object) -> Received:
    async with open_source(parse_source_url(URL), air.options(**options)) as source:
        return await collected(source.audio())


async def collected(audio: AsyncIterator[bytes | Flush | LostAudio]) -> Received:
    pcm, flushes, gaps = b"", list[Flush](), list[tuple[int, int]]()
    async for item in audio:
        match item:
            case Flush():
                flushes.append(item)
            case LostAudio(samples):
                gaps.append((len(pcm) // 2, samples))
            case _:
                pcm += item
    return Received(pcm, flushes, gaps)


def seconds(pcm: bytes) -> float:
    return len(pcm) / 32_000


async def test_a_stream_that_is_cut_goes_on_after_a_gap_of_the_right_length() -> None:
    air = Air([[LIVE, *speech(5, 2), Ended(False)], [20.0, LIVE, *speech(0, 3), Ended(True)]])
    pcm, flushes, [(start_sample, lost_samples)] = await received(air)
    assert air.changes == [SourceChange.LOST, SourceChange.RESTORED]
    assert start_sample == 32_000
    assert lost_samples / 16_000 == pytest.approx(20.25, abs=0.01)
    assert seconds(pcm) == pytest.approx(25.25, abs=0.01)
    assert pcm.startswith(PCM * 20)
    assert pcm.endswith(PCM * 30)
    assert len(flushes) == 1
    assert not air.is_open


async def test_retries_back_off_until_the_stream_counts_as_over() -> None:
    air = Air([[LIVE, *speech(0, 1), Failed("reset")]])
    begin_s = air.now_s
    pcm, _, _ = await received(air)
    assert seconds(pcm) == pytest.approx(1.0)
    assert air.changes == [SourceChange.LOST, SourceChange.OVER]
    assert 60 < air.now_s - begin_s < 70
    assert 10 < len(air.requests) < 20
    assert air.requests[0].missed_s is None
    assert air.requests[-1].missed_s == pytest.approx(60, abs=5)


async def test_lost_packets_are_silence_but_no_marked_gap() -> None:
    air = Air([[LIVE, *speech(0, 1), 0.5, *speech(1.5, 1), Ended(True)]])
    pcm, _, gaps = await received(air)
    assert seconds(pcm) == pytest.approx(2.5)
    assert gaps == []


async def test_after_audio_has_come_the_retries_begin_anew() -> None:
    failed: list[list[Message | float | None]] = [[Failed("out of reach")] for _ in range(6)]
    air = Air([[LIVE, *speech(0, 1), Ended(False)], *failed, [LIVE, *speech(0, 1), Ended(False)], [LIVE, Ended(True)]])
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await air.sleep(seconds)

    back_off = BackOff(give_up_s=60.0, clock=lambda: air.now_s, sleep=sleep, jitter=lambda: 0.0)
    await received(air, back_off=back_off)
    assert waits[:7] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert waits[-1] == 0.25


async def test_a_stream_that_has_not_begun_is_waited_for_if_that_was_requested() -> None:
    air = Air([[Failed("none")], [Failed("none")], [LIVE, *speech(0, 1), Ended(True)]])
    pcm, _, _ = await received(air, wait_s=30.0)
    assert seconds(pcm) == pytest.approx(1.0)
    with pytest.raises(SourceError, match="none"):
        await received(Air([[Failed("none")]]))


async def test_a_stream_that_is_refused_is_not_tried_again() -> None:
    air = Air([[Failed("not allowed", is_refused=True)]])
    with pytest.raises(SourceRefused, match="not allowed"):
        await received(air, wait_s=30.0)
    assert len(air.requests) == 1


@pytest.mark.parametrize("connection", [[Failed("elsewhere", True)], [LIVE, Failed("elsewhere", True)]])
async def test_a_stream_that_comes_back_with_a_redirect_elsewhere_is_refused(
    connection: list[Message | float | None],
) -> None:
    air = Air([[LIVE, *speech(0, 1), Ended(False)], connection])
    with pytest.raises(SourceRefused, match="elsewhere"):
        await received(air)


async def test_a_recording_is_read_once_and_its_loss_is_an_error() -> None:
    recording = Opened(is_live=False, begin_s=0.0, duration_s=2.0)
    air = Air([[recording, *speech(0, 1), *speech(1.5, 0.5), Ended(True, broken_packets=2)]])
    async with open_source(parse_source_url(URL), air.options()) as source:
        pcm, _, _ = await collected(source.audio())
        assert (source.is_live, source.duration_s, source.broken_packets) == (False, 2.0, 2)
    assert seconds(pcm) == pytest.approx(2.0)
    with pytest.raises(SourceError, match="reset"):
        await received(Air([[recording, *speech(0, 1), Failed("reset")]]))


async def test_a_short_outage_flushes_nothing() -> None:
    air = Air([[LIVE, *speech(0, 1), Ended(False)], [LIVE, *speech(0, 1), Ended(True)]])
    _, flushes, gaps = await received(air)
    assert (flushes, gaps) == ([], [])


async def test_what_was_spoken_before_a_loss_is_flushed_while_a_connection_hangs() -> None:
    air = Air([[LIVE, *speech(0, 1), Ended(False)], [None]])
    options = air.options(flush_s=0.0)
    async with open_source(parse_source_url(URL), options) as source:
        audio = source.audio()
        items = [await anext(audio) for _ in range(11)]
    assert items[:10] == [PCM] * 10
    assert isinstance(items[10], Flush)


async def test_a_stream_is_read_by_a_process_of_its_own() -> None:
    with web_server() as web:
        web.pages["/talk.mp3"] = Page(encoded("mp3", 2.0))
        url = f"{web.url}/talk.mp3"
        async with open_source(parse_source_url(url), SourceOptions(url, AddressPolicy((HOST,)))) as source:
            pcm, _, _ = await collected(source.audio())
            assert not source.is_live
    assert seconds(pcm) == pytest.approx(2.0, abs=0.1)


async def test_a_process_that_dies_is_a_failure_that_may_pass() -> None:
    from clients.sources.reader import Reader

    reader = await Reader.start(Request("http://127.0.0.1/", hosts="no list"))  # type: ignore[arg-type]
    try:
        await reader.receive()
        failed = await reader.receive()
    finally:
        await reader.aclose()
    assert isinstance(failed, Failed)
    assert "has crashed" in failed.message


def test_a_source_that_was_never_opened_is_closed_without_harm() -> None:
    source = Source(parse_source_url(URL), Air([]).options())
    anyio.run(source.aclose)
