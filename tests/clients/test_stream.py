"""The client library, against a gateway over real sockets and against one that a test plays itself."""

from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.streams.stapled import StapledObjectStream

from clients.connection import Connection, ConnectionFailed, connect
from clients.media import MEDIA_FORMAT, MediaError, MediaFile, paced
from clients.stream import CaptionStream, SessionFailed, stream
from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from gateway.wire import Ack, Final, Finished, Ready, ServerEvent, Start, Stop
from gateway.wire.native import NativeCodec
from tests.demo import RECORDING
from tests.servers import serving

SECOND = bytes(32_000)


async def sound(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def broken_sound() -> AsyncIterator[bytes]:
    yield SECOND
    raise MediaError("the file ends here")


def played_gateway() -> tuple[Connection, Connection]:
    """Return the client's end and the test's own, which plays the gateway."""
    out_send, out_receive = anyio.create_memory_object_stream[str | bytes](100)
    in_send, in_receive = anyio.create_memory_object_stream[str | bytes](100)
    return StapledObjectStream(out_send, in_receive), StapledObjectStream(in_send, out_receive)


async def test_every_final_of_a_recording_arrives_in_order() -> None:
    events: list[ServerEvent] = []
    async with serving(ScriptedEngine()) as served, connect(served.url) as connection:
        with MediaFile(str(RECORDING)) as media:
            await stream(connection, Start(MEDIA_FORMAT), paced(media.frames(), None), events.append)
    finals = [event.utterance_id for event in events if isinstance(event, Final)]
    assert isinstance(events[0], Ready)
    assert isinstance(events[-1], Finished)
    assert finals == list(range(len(finals)))
    assert events[-1].utterances == len(finals) > 1


async def test_a_refused_start_is_told_with_the_gateways_reason() -> None:
    async with serving(ScriptedEngine()) as served, connect(served.stream_url) as connection:
        with pytest.raises(SessionFailed, match="no cue profile 'cinema': there are web, live"):
            await stream(connection, Start(cue_profile="cinema"), sound(SECOND), lambda _: None)


async def test_what_the_sound_raises_reaches_the_caller() -> None:
    async with serving(ScriptedEngine()) as served, connect(served.url) as connection:
        with pytest.raises(MediaError, match="the file ends here"):
            await stream(connection, Start(), broken_sound(), lambda _: None)


async def test_a_lost_connection_is_an_error_and_not_an_end() -> None:
    connection, gateway = played_gateway()
    async with connection, gateway:
        await gateway.send(NativeCodec().send(Ready(1, "s", "scripted", "m", "d", None))[0])
        await gateway.send_eof()
        with pytest.raises(ConnectionFailed, match="the connection was lost"):
            await stream(connection, Start(), sound(SECOND), lambda _: None)


async def test_no_more_than_45_s_of_sound_are_sent_ahead_of_the_acks() -> None:
    connection, gateway = played_gateway()
    sent = 0

    async def send_all(session: CaptionStream) -> None:
        nonlocal sent
        for _ in range(60):
            await session.send(SECOND)
            sent += 1

    async def read(session: CaptionStream) -> None:
        async for _ in session.events():
            pass

    async with connection, gateway, anyio.create_task_group() as tasks:
        session = CaptionStream(connection, Start())
        tasks.start_soon(send_all, session)
        tasks.start_soon(read, session)
        await anyio.wait_all_tasks_blocked()
        ahead = sent
        await gateway.send(NativeCodec().send(Ack(1, 46 * 16_000, 10 * 16_000))[0])
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert ahead == 46  # the one that passes 45 s still goes
    assert sent == 56


async def test_after_stop_the_codec_lets_nothing_through() -> None:
    connection, gateway = played_gateway()
    async with connection, gateway:
        session = CaptionStream(connection, Start())
        await session.open()
        await session.stop()
        codec = NativeCodec()
        events = [event for _ in range(2) for event in codec.receive(await gateway.receive())]
    assert events == [Start(), Stop()]


@pytest.mark.parametrize("url", ["127.0.0.1:{port}", "http://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/v1/stream"])
async def test_a_gateway_is_found_by_any_usual_form_of_its_url(url: str) -> None:
    async with serving(ScriptedEngine()) as served:
        port = served.url.rpartition(":")[2]
        async with connect(url.format(port=port)) as connection:
            await stream(connection, Start(), sound(), lambda _: None)


async def test_a_refusal_shows_status_and_reason() -> None:
    settings = load_settings({"server": {"api_keys": ["secret"]}})
    async with serving(ScriptedEngine(), settings) as served:
        with pytest.raises(ConnectionFailed, match=r"refuses with HTTP 401: .*no API key"):
            async with connect(served.url):
                pass
        async with connect(served.url, api_key="secret") as connection:
            await stream(connection, Start(), sound(), lambda _: None)
