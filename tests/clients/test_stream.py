"""The client library, against a gateway over real sockets and against one that a test plays itself."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial

import anyio
import pytest
from anyio.lowlevel import checkpoint

from clients.connection import Connection, ConnectionFailed, connect
from clients.paced_media import MEDIA_FORMAT, MediaError, MediaFile, paced
from clients.reconnect import BackOff, Change
from clients.stream import CaptionStream, Lost, SessionFailed, stream
from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from gateway.wire import (
    Ack,
    AudioFormat,
    CueEvent,
    Encoding,
    Error,
    Final,
    Finished,
    Flush,
    Flushed,
    Gap,
    KeepAlive,
    LostAudio,
    Ready,
    Resume,
    ServerEvent,
    Start,
    Stop,
)
from gateway.wire.native.codec import NativeCodec
from tests.clients.playing import PlayedGateway, at_once, played_connection, unreachable
from tests.meeting import RECORDING
from tests.servers import serving

SECOND = bytes(32_000)

FORMAT = AudioFormat(Encoding.PCM_S24LE, 8_000, 1)
RESUMABLE = Start(FORMAT, resumable=True)
AUDIO = bytes(index % 251 for index in range(15_000))
"""Five utterances of the scripted gateway."""

NOT_FOUND = Error(1, "session_not_found", "there is no session 's1'", True)


async def audio(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def broken_audio() -> AsyncIterator[bytes]:
    yield SECOND
    raise MediaError("the file ends here")


def opened(connection: Connection) -> AbstractAsyncContextManager[Connection]:
    return nullcontext(connection)


# --- one connection ------------------------------------------------------------------------------------------------


async def test_every_final_of_a_recording_arrives_in_order() -> None:
    events: list[ServerEvent] = []
    async with serving(ScriptedEngine()) as served:
        with MediaFile(str(RECORDING)) as media:
            await stream(partial(connect, served.url), Start(MEDIA_FORMAT), paced(media.frames(), None), events.append)
    finals = [event.utterance_id for event in events if isinstance(event, Final)]
    assert isinstance(events[0], Ready)
    assert isinstance(events[-1], Finished)
    assert finals == list(range(len(finals)))
    assert events[-1].utterances == len(finals) > 1


async def test_a_refused_start_is_emitted_with_the_gateways_reason() -> None:
    async with serving(ScriptedEngine()) as served:
        with pytest.raises(SessionFailed, match="unknown cue profile 'cinema': expected one of web, live"):
            await stream(
                partial(connect, served.stream_url), Start(cue_profile="cinema"), audio(SECOND), lambda _: None
            )


async def test_errors_of_the_audio_source_reach_the_caller() -> None:
    async with serving(ScriptedEngine()) as served:
        with pytest.raises(MediaError, match="the file ends here"):
            await stream(partial(connect, served.url), Start(), broken_audio(), lambda _: None)


@pytest.mark.parametrize("resumable", [False, True])
async def test_without_a_resumable_session_a_lost_connection_is_an_error(resumable: bool) -> None:
    connection, gateway = played_connection()
    async with connection, gateway:
        await gateway.send(NativeCodec().send(Ready(1, "s", "scripted", "m", "d", None))[0])
        await gateway.send_eof()
        with pytest.raises(ConnectionFailed, match="the connection was lost"):
            await stream(partial(opened, connection), Start(resumable=resumable), audio(SECOND), lambda _: None)


async def test_no_more_than_45_s_of_audio_are_sent_ahead_of_the_acks() -> None:
    connection, gateway = played_connection()
    sent = 0

    async def send_all(session: CaptionStream) -> None:
        nonlocal sent
        for _ in range(60):
            await session.send(SECOND)
            sent += 1

    async with connection, gateway, anyio.create_task_group() as tasks:
        session = CaptionStream(partial(opened, connection), Start())
        tasks.start_soon(send_all, session)
        tasks.start_soon(session.run, lambda _: None)
        await anyio.wait_all_tasks_blocked()
        ahead = sent
        await gateway.send(NativeCodec().send(Ack(1, 46 * 16_000, 10 * 16_000))[0])
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert ahead == 46  # the one that passes 45 s still goes
    assert sent == 56


async def test_a_gateway_that_does_not_read_holds_the_source_up() -> None:
    connection, gateway = played_connection(2)
    session = CaptionStream(partial(opened, connection), Start())
    async with connection, gateway, anyio.create_task_group() as tasks:
        tasks.start_soon(session.run, lambda _: None)
        with anyio.move_on_after(0) as scope:
            scope.deadline = anyio.current_time() + 0.05
            while True:
                await session.send(SECOND)
        tasks.cancel_scope.cancel()
    assert scope.cancelled_caught, "45 s, and then it waits"


async def test_a_session_without_audio_is_kept_alive_until_its_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.stream._KEEP_ALIVE_S", 0.01)
    connection, gateway = played_connection()
    async with connection, gateway, anyio.create_task_group() as tasks:
        session = CaptionStream(partial(opened, connection), Start())
        tasks.start_soon(session.run, lambda _: None)
        codec = NativeCodec()
        events = [event for _ in range(3) for event in codec.receive(await gateway.receive())]
        session.stop()
        while events[-1] != Stop():
            events += codec.receive(await gateway.receive())
        with anyio.move_on_after(0.05) as silence:
            await gateway.receive()
        tasks.cancel_scope.cancel()
    assert events[:3] == [Start(), KeepAlive(), KeepAlive()]
    assert silence.cancelled_caught


async def test_a_flush_among_the_audio_ends_the_utterance_there() -> None:
    gateway = PlayedGateway(Start().audio)

    async def audio_with_flush() -> AsyncIterator[bytes | Flush]:
        yield SECOND
        yield Flush("here")
        yield SECOND

    events: list[ServerEvent] = []
    await stream(gateway.connect, Start(resumable=True), audio_with_flush(), events.append)
    assert gateway.flushes == {"here": {len(SECOND)}}


async def test_lost_audio_is_marked_before_the_silence_in_its_place() -> None:
    async def audio_with_gap() -> AsyncIterator[bytes | LostAudio]:
        yield SECOND
        yield LostAudio(16_000)
        yield SECOND

    events: list[ServerEvent] = []
    async with serving(ScriptedEngine()) as served:
        await stream(partial(connect, served.url), Start(), audio_with_gap(), events.append)
    assert [(event.start_sample, event.end_sample) for event in events if isinstance(event, Gap)] == [(16_000, 32_000)]


async def test_after_stop_the_codec_lets_nothing_through() -> None:
    connection, gateway = played_connection()
    async with connection, gateway, anyio.create_task_group() as tasks:
        session = CaptionStream(partial(opened, connection), Start())
        session.stop()
        tasks.start_soon(session.run, lambda _: None)
        codec = NativeCodec()
        events = [event for _ in range(2) for event in codec.receive(await gateway.receive())]
        tasks.cancel_scope.cancel()
    assert events == [Start(), Stop()]


@pytest.mark.parametrize("url", ["127.0.0.1:{port}", "http://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/v1/stream"])
async def test_a_gateway_is_found_by_any_usual_form_of_its_url(url: str) -> None:
    async with serving(ScriptedEngine()) as served:
        port = served.url.rpartition(":")[2]
        await stream(partial(connect, url.format(port=port)), Start(), audio(), lambda _: None)


async def test_a_refusal_shows_status_and_reason() -> None:
    settings = load_settings({"server": {"api_keys": ["secret"]}})
    async with serving(ScriptedEngine(), settings) as served:
        with pytest.raises(ConnectionFailed, match=r"refused the connection with HTTP 401: no API key") as refused:
            await stream(partial(connect, served.url), RESUMABLE, audio(), lambda _: None)
        assert not refused.value.may_pass
        await stream(partial(connect, served.url, "secret"), Start(), audio(), lambda _: None)


# --- connections that are lost -------------------------------------------------------------------------------------


async def speak(
    gateway: PlayedGateway, *, piece_bytes: int = 701, lost: Lost | None = None
) -> tuple[list[ServerEvent], list[Change]]:
    """Send the audio, with a flush in the middle, and return the reported events."""
    events: list[ServerEvent] = []
    changes: list[Change] = []
    session = CaptionStream(gateway.connect, RESUMABLE, lost or Lost(on_change=changes.append, back_off=at_once()))

    async def send_all() -> None:
        for start in range(0, len(AUDIO), piece_bytes):
            if start <= len(AUDIO) // 2 < start + piece_bytes:
                session.flush("half")
            await session.send(AUDIO[start : start + piece_bytes])
        session.stop()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send_all)
            await session.run(events.append)
    return events, changes


def assert_whole(gateway: PlayedGateway, events: list[ServerEvent]) -> None:
    """Assert that all audio was decoded in place, and all events were reported once, in order."""
    assert gateway.decoded == AUDIO
    assert [len(places) for places in gateway.flushes.values()] == [1], "a flush keeps its position"
    assert isinstance(events[0], Ready)
    assert isinstance(events[-1], Finished)
    assert [event.utterance_id for event in events if isinstance(event, Final)] == [0, 1, 2, 3, 4]
    assert [event.cue.cue_id for event in events if isinstance(event, CueEvent)] == ["0.1", "1.1", "2.1", "3.1", "4.1"]
    assert sum(isinstance(event, Ready) for event in events) == 1
    assert sum(isinstance(event, Flushed) for event in events) == 1


@pytest.mark.parametrize("restarts", [False, True], ids=["kept", "restarted"])
@pytest.mark.parametrize("cut", range(43))
async def test_a_connection_may_be_lost_at_any_message(cut: int, restarts: bool) -> None:
    gateway = PlayedGateway(FORMAT, [cut], restarts)
    events, changes = await speak(gateway)
    assert_whole(gateway, events)
    assert changes == [Change.LOST, Change.RESTORED]


@pytest.mark.parametrize("restarts", [False, True], ids=["kept", "restarted"])
@pytest.mark.parametrize("cut", range(12, 44, 3))
async def test_connections_may_be_lost_one_after_the_other(cut: int, restarts: bool) -> None:
    gateway = PlayedGateway(FORMAT, [cut, 0, 1, 2, cut, cut, 3], restarts)
    events, _ = await speak(gateway)
    assert_whole(gateway, events)


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 50, 15_000])
async def test_audio_may_be_cut_anywhere(piece_bytes: int) -> None:
    gateway = PlayedGateway(FORMAT, [20, 30, 40])
    events, _ = await speak(gateway, piece_bytes=piece_bytes)
    assert gateway.decoded == AUDIO
    assert [event.utterance_id for event in events if isinstance(event, Final)] == [0, 1, 2, 3, 4]


async def test_a_connection_that_ends_before_ready_begins_the_session_again() -> None:
    gateway = PlayedGateway(FORMAT, [0, 1, 1])
    events, changes = await speak(gateway)
    assert_whole(gateway, events)
    assert gateway.resumes == []
    assert changes == [Change.LOST, Change.RESTORED]


async def test_a_resume_names_the_newest_event_and_the_oldest_held_sample() -> None:
    gateway = PlayedGateway(FORMAT, [20])
    events, _ = await speak(gateway)
    (resume,) = gateway.resumes
    assert (resume.session_id, resume.token, resume.held_sample) == ("s1", "t", 0)
    assert 0 < resume.after_seq < len(events)


async def test_the_first_connection_must_be_made_at_once() -> None:
    with pytest.raises(ConnectionFailed, match="unreachable"):
        await stream(unreachable, RESUMABLE, audio(AUDIO), lambda _: None)


async def test_a_gateway_that_stays_away_is_given_up() -> None:
    gateway = PlayedGateway(FORMAT, [9])
    attempts = 0

    def connect_once() -> AbstractAsyncContextManager[Connection]:
        nonlocal attempts
        attempts += 1
        return gateway.connect() if attempts == 1 else unreachable()

    back_off = at_once()
    with pytest.raises(ConnectionFailed, match="no connection for 120 s: unreachable"):
        await stream(connect_once, RESUMABLE, audio(AUDIO), lambda _: None, Lost(back_off=back_off))
    assert 120 < back_off.clock() <= 125
    assert attempts == 1 + 5 + 23, "0.25 s, twice as long each time, and then every 5 s"


async def test_a_permanent_refusal_is_not_retried() -> None:
    gateway = PlayedGateway(FORMAT, [9])
    attempts = 0

    def connect_once() -> AbstractAsyncContextManager[Connection]:
        nonlocal attempts
        attempts += 1
        return gateway.connect() if attempts == 1 else unreachable("the key has been revoked", 401)

    with pytest.raises(ConnectionFailed, match="the key has been revoked"):
        await stream(connect_once, RESUMABLE, audio(AUDIO), lambda _: None, Lost(back_off=at_once()))
    assert attempts == 2


@pytest.mark.parametrize("code", ["session_not_found", "resumed_elsewhere"])
async def test_a_session_that_is_gone_or_taken_over_is_not_resumed_again(code: str) -> None:
    gateway = PlayedGateway(FORMAT, [9], refuses=lambda _: Error(1, code, "it is", True))
    with pytest.raises(SessionFailed, match=f"{code}: it is"):
        await stream(gateway.connect, RESUMABLE, audio(AUDIO), lambda _: None, Lost(back_off=at_once()))
    assert len(gateway.resumes) == 1


async def test_if_the_session_is_lost_another_may_begin_with_the_unanswered_audio() -> None:
    gateway = PlayedGateway(FORMAT, [30], refuses=lambda _: NOT_FOUND)
    changes: list[Change] = []
    lost = Lost(starts_new_session=True, on_change=changes.append, back_off=at_once())
    events, _ = await speak(gateway, lost=lost)
    assert changes == [Change.LOST, Change.NEW_SESSION, Change.RESTORED]
    assert gateway.starts == 2
    begin = len(AUDIO) - len(gateway.decoded)
    assert begin > 0
    assert begin % 3_000 == 0, "audio with a final is not sent again"
    assert gateway.decoded == AUDIO[begin:]
    before = [event.utterance_id for event in events[: events.index(NOT_FOUND)] if isinstance(event, Final)]
    after = [event.utterance_id for event in events[events.index(NOT_FOUND) :] if isinstance(event, Final)]
    assert before == list(range(len(before)))
    assert after == list(range(5 - len(before)))
    assert sum(isinstance(event, Flushed) for event in events) == 1


async def test_live_audio_continues_without_a_connection() -> None:
    gateway = PlayedGateway(FORMAT, [9])
    events = await speak_live(gateway, 100)
    assert gateway.decoded == b"".join(bytes([second]) * 24_000 for second in range(100))
    assert isinstance(events[-1], Finished)


async def test_after_a_long_outage_the_resume_names_the_held_live_audio() -> None:
    gateway = PlayedGateway(FORMAT, [2])
    await speak_live(gateway, 200)
    assert gateway.resumes[-1].held_sample == 80 * 8_000
    assert gateway.decoded == bytes(80 * 24_000) + b"".join(bytes([second]) * 24_000 for second in range(80, 200))


async def speak_live(gateway: PlayedGateway, duration_s: int) -> list[ServerEvent]:
    """Send live audio, without a second connection until its end, and return the reported events."""
    is_sent = anyio.Event()

    async def wait(seconds: float) -> None:
        await is_sent.wait()

    async def microphone() -> AsyncIterator[bytes]:
        for second in range(duration_s):
            await checkpoint()
            yield bytes([second]) * 24_000
        is_sent.set()

    events: list[ServerEvent] = []
    lost = Lost(is_live=True, back_off=BackOff(sleep=wait, clock=lambda: 0.0))
    with anyio.fail_after(10):
        await stream(gateway.connect, RESUMABLE, microphone(), events.append, lost)
    return events


async def test_a_flush_and_a_stop_that_were_lost_are_spoken_again() -> None:
    gateway = PlayedGateway(FORMAT)
    gateway.cuts = [2]  # start and ready
    events: list[ServerEvent] = []
    session = CaptionStream(gateway.connect, RESUMABLE, Lost(back_off=at_once()))
    session.flush("a")
    session.stop()
    await session.run(events.append)
    assert [type(event) for event in events] == [Ready, Flushed, Finished]
    assert isinstance(gateway.resumes[0], Resume)


async def test_nothing_is_spoken_after_the_end() -> None:
    gateway = PlayedGateway(FORMAT)
    session = CaptionStream(gateway.connect, RESUMABLE)
    session.stop()
    await session.run(lambda _: None)
    with pytest.raises(ConnectionFailed, match="the session is over"):
        await session.send(SECOND)
