from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import anyio
import pytest

from clients.connection import Connection, ConnectionFailed
from clients.dialects import DRIVERS
from clients.dialects.driver import DriverEvent, DriverOptions, Failed, Finished, Ready, SettlingDriver
from clients.dialects.session import drive, run_session
from clients.dialects.whisperlive import WhisperLiveDriver
from clients.paced_media import MediaError
from gateway.wire import ProtocolError
from tests.clients.dialects.driving import opened, shown
from tests.clients.playing import played_connection

FRAMES = [b"\1\0" * 1_600, b"\2\0" * 1_600]


@asynccontextmanager
async def served(server: Callable[[Connection], Coroutine[None, None, None]]) -> AsyncIterator[Connection]:
    """Yield the driver's end of a connection; the server runs at the other one."""
    ours, theirs = played_connection()
    async with ours, theirs, anyio.create_task_group() as tasks:
        tasks.start_soon(server, theirs)
        yield ours


async def frames() -> AsyncIterator[bytes]:
    for frame in FRAMES:
        yield frame


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield FRAMES[0]
        await anyio.lowlevel.checkpoint()


async def test_a_session_sends_all_audio_and_reports_all_events() -> None:
    events: list[DriverEvent] = []
    sent: list[str | bytes] = []

    async def server(theirs: Connection) -> None:
        for reply in ("", '{"partial":"one"}', '{"text":"one"}', '{"text":""}'):
            sent.append(await theirs.receive())
            if reply:
                await theirs.send(reply)

    async with served(server) as ours:
        await drive(DRIVERS["vosk"](DriverOptions()), ours, frames(), events.append)
    assert sent[1:] == [*FRAMES, '{"eof" : 1}']
    assert events[0] == Ready()
    assert shown(events) == [("0", "one", False), ("0", "one", True)]
    assert events[-1] == Finished()


async def test_what_a_message_makes_a_driver_send_is_sent() -> None:
    events: list[DriverEvent] = []

    async def server(theirs: Connection) -> None:
        await theirs.send('{"type":"config","useAudioWorklet":true}')
        assert [await theirs.receive() for _ in range(3)] == [*FRAMES, b""]
        await theirs.send('{"type":"ready_to_stop"}')

    async with served(server) as ours:
        await drive(DRIVERS["whisperlivekit"](DriverOptions()), ours, frames(), events.append)
    assert events == [Ready(), Finished()]


async def test_an_answer_to_a_message_does_not_wait_for_audio() -> None:
    events: list[DriverEvent] = []

    async def server(theirs: Connection) -> None:
        _, begin = [await theirs.receive() for _ in range(2)]
        await theirs.send('{"type":"transcription.done","text":"one"}')
        assert await theirs.receive() == begin
        await theirs.send('{"type":"error","error":"over","code":"x"}')

    async def none() -> AsyncIterator[bytes]:
        await anyio.sleep_forever()
        yield b""

    async with served(server) as ours:
        with anyio.fail_after(5):
            await drive(DRIVERS["vllm-realtime"](DriverOptions()), ours, none(), events.append)
    assert events[-1] == Failed("x", "over")


async def test_a_connection_that_ends_ends_the_session_although_audio_goes_on() -> None:
    events: list[DriverEvent] = []

    async def server(theirs: Connection) -> None:
        await theirs.receive()
        await theirs.aclose()

    async with served(server) as ours:
        await drive(DRIVERS["deepgram"](DriverOptions()), ours, endless(), events.append)
    assert events == [Failed("connection_lost", "the connection was lost")]


async def test_a_message_that_cannot_be_answered_as_the_connection_is_closed_is_reported() -> None:
    events: list[DriverEvent] = []

    async def server(theirs: Connection) -> None:
        await theirs.send('{"type":"transcription.done","text":"one"}')
        await theirs.aclose()

    async with served(server) as ours:
        await drive(DRIVERS["vllm-realtime"](DriverOptions()), ours, endless(), events.append)
    assert shown(events) == [("0", "one", True)]
    assert isinstance(events[-1], Failed)


async def test_a_message_of_another_dialect_is_an_error_as_it_is() -> None:
    async def server(theirs: Connection) -> None:
        await theirs.send("hello")

    async with served(server) as ours:
        with pytest.raises(ProtocolError, match="unexpected message"):
            await drive(DRIVERS["deepgram"](DriverOptions()), ours, endless(), print)


async def test_an_error_of_the_audio_is_raised_as_it_is() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield FRAMES[0]
        raise MediaError("a.wav: broken")

    async with served(silent) as ours:
        with pytest.raises(MediaError, match="broken"):
            await drive(DRIVERS["deepgram"](DriverOptions()), ours, broken(), print)


async def silent(_: Connection) -> None:
    """Send nothing, but stay."""


def settling() -> WhisperLiveDriver:
    driver = WhisperLiveDriver(DriverOptions())
    driver.settle_s = 0.001
    return driver


async def whisperlive(theirs: Connection) -> None:
    while await theirs.receive() != b"END_OF_AUDIO":
        pass
    await theirs.aclose()


async def test_a_server_that_is_silent_at_the_end_has_settled() -> None:
    events: list[DriverEvent] = []
    async with served(whisperlive) as ours:
        with anyio.fail_after(5):
            await drive(settling(), ours, frames(), events.append)
    assert events == [Finished()]


async def test_a_server_that_is_silent_while_audio_is_sent_has_not_settled() -> None:
    has_resumed = False

    async def paused() -> AsyncIterator[bytes]:
        nonlocal has_resumed
        yield FRAMES[0]
        with anyio.move_on_after(0.02):
            await anyio.sleep_forever()
        has_resumed = True
        yield FRAMES[1]

    async def server(theirs: Connection) -> None:
        await whisperlive(theirs)
        assert has_resumed

    async with served(server) as ours:
        await drive(settling(), ours, paused(), lambda _: None)


def test_only_drivers_that_must_wait_are_settling() -> None:
    assert {dialect for dialect in DRIVERS if isinstance(opened(dialect), SettlingDriver)} == {"whisperlive"}


async def test_a_server_that_cannot_be_reached_is_an_error() -> None:
    with pytest.raises(ConnectionFailed, match="cannot be reached"):
        await run_session(DRIVERS["native"](DriverOptions()), "ws://127.0.0.1:1", frames(), print)
