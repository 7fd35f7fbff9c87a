"""Wyoming over real sockets, with the `wyoming` package as the client."""

import socket
from collections.abc import Mapping

import pytest
from anyio.lowlevel import checkpoint
from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStart
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from decoder.engines.scripted import ScriptedEngine
from gateway.errors import ConfigurationError
from gateway.settings import ServerSettings, Settings, load_settings
from gateway.wyoming_server import bind_wyoming
from tests.compatibility import exercises
from tests.meeting import spoken_frames
from tests.servers import Served, get, serving
from tests.sessions import failing_finals, stuck_on_finals
from tests.wyoming_client import ask, connected, events_until, send_audio


def settings(**groups: Mapping[str, object]) -> Settings:
    server = {"wyoming": "tcp://127.0.0.1:0", **groups.pop("server", {})}
    return load_settings({"server": server, **groups})


def sentence() -> list[bytes]:
    return spoken_frames(3.0)


async def open_sessions(served: Served) -> str:
    text = (await get(f"{served.url}/metrics")).body.decode()
    return next(line for line in text.splitlines() if line.startswith("livecue_sessions "))


def transcript(events: list[Event]) -> str:
    [text] = [event.data["text"] for event in events if event.type == "transcript"]
    assert isinstance(text, str)
    return text


@exercises("wyoming", "describe: one installed program with the model and its languages")
async def test_info_names_the_model_and_its_languages() -> None:
    async with serving(ScriptedEngine(), settings()) as served, connected(served) as client:
        await client.write_event(Describe().event())
        [event] = await events_until(client, "info")
    [program] = Info.from_event(event).asr
    [model] = program.models
    assert (program.installed, model.installed) == (True, True)
    assert model.name == "script"
    assert {"en", "de"} <= set(model.languages)
    assert program.supports_transcript_streaming


@exercises("wyoming", "ping before the audio and while it is decoded")
async def test_a_ping_is_answered_at_any_time() -> None:
    async with serving(stuck_on_finals(), settings()) as served, connected(served) as client:
        await client.write_event(Ping("before").event())
        [before] = await events_until(client, "pong")
        await send_audio(client, sentence())
        await client.write_event(Ping("while it is decoded").event())
        [after] = await events_until(client, "pong")
    assert [Pong.from_event(event).text for event in (before, after)] == ["before", "while it is decoded"]


@exercises("wyoming", "transcript streaming: start, chunks, transcript, stop")
async def test_chunks_come_while_the_audio_does() -> None:
    async with serving(ScriptedEngine(), settings()) as served, connected(served) as client:
        await client.write_event(AudioStart(16_000, 2, 1).event())
        for frame in spoken_frames(10.0):
            await client.write_event(AudioChunk(16_000, 2, 1, frame).event())
        early = await events_until(client, "transcript-chunk")
        await send_audio(client, [])
        late = await events_until(client, "transcript-stop")
    events = [*early, *late]
    assert [event.type for event in events[:1] + events[-2:]] == ["transcript-start", "transcript", "transcript-stop"]
    chunks = [event.data["text"] for event in events if event.type == "transcript-chunk"]
    assert "".join(chunks) == transcript(events)


@exercises("wyoming", "several utterances on one connection, each in a format of its own")
async def test_each_utterance_of_a_connection_is_an_answer() -> None:
    mono = b"".join(sentence())
    stereo = b"".join(mono[at : at + 2] * 2 for at in range(0, len(mono), 2))
    narrow = b"".join(mono[at : at + 2] for at in range(0, len(mono), 4))
    async with serving(ScriptedEngine(), settings()) as served, connected(served) as client:
        texts = []
        for data, rate, channels in ((mono, 16_000, 1), (stereo, 16_000, 2), (narrow, 8_000, 1)):
            await client.write_event(Transcribe(language="en-GB").event())
            await send_audio(client, [data], rate, channels=channels)
            texts.append(transcript(await events_until(client, "transcript-stop")))
    assert texts[0]
    assert texts[1] == texts[0]
    assert abs(len(texts[2].split()) - len(texts[0].split())) <= 1  # it is cut a little otherwise


async def test_utterances_sent_ahead_are_answered_one_by_one() -> None:
    async with serving(ScriptedEngine(), settings()) as served, connected(served) as client:
        for _ in range(3):
            await send_audio(client, sentence())
        texts = [transcript(await events_until(client, "transcript-stop")) for _ in range(3)]
    assert len(set(texts)) == 1
    assert texts[0]


async def test_a_peer_that_has_closed_its_half_still_gets_its_answer() -> None:
    async with serving(ScriptedEngine(), settings()) as served, connected(served) as client:
        await send_audio(client, sentence())
        assert client._writer is not None
        client._writer.write_eof()
        assert transcript(await events_until(client, "transcript-stop"))


@exercises("wyoming", "a failing engine: no transcript, and the connection ends")
async def test_a_failed_final_is_an_error_to_home_assistant() -> None:
    async with serving(ScriptedEngine(failing_finals), settings()) as served:
        assert await ask(served, sentence()) is None


@exercises("wyoming", "a format that cannot be read: an error, and the connection ends")
async def test_a_format_that_cannot_be_read_is_an_error() -> None:
    async with serving(ScriptedEngine(), settings()) as served, connected(served) as client:
        await client.write_event(Event("audio-start", {"rate": 1, "width": 2, "channels": 1}))
        [refusal] = await events_until(client, "error")
        assert await client.read_event() is None
    assert Error.from_event(refusal).code == "protocol_error"


async def test_an_invalid_frame_is_an_error_and_ends_only_its_connection() -> None:
    async with serving(ScriptedEngine(), settings()) as served:
        async with connected(served) as client:
            assert client._writer is not None
            client._writer.write(b"GET / HTTP/1.1\r\n\r\n" * 100)
            [refusal] = await events_until(client, "error")
            assert await client.read_event() is None
        assert Error.from_event(refusal).code == "protocol_error"
        assert await ask(served, sentence())


async def test_a_malformed_frame_within_audio_is_an_error_too() -> None:
    async with serving(ScriptedEngine(), settings()) as served, connected(served) as client:
        await client.write_event(AudioStart(16_000, 2, 1).event())
        assert client._writer is not None
        client._writer.write(b"\n")
        [refusal] = await events_until(client, "error")
        assert await client.read_event() is None
    assert Error.from_event(refusal).code == "protocol_error"


async def test_one_connection_too_many_gets_an_error() -> None:
    async with serving(ScriptedEngine(), settings(server={"max_sessions": 1})) as served, connected(served) as first:
        await first.write_event(Ping().event())
        await events_until(first, "pong")
        async with connected(served) as second:
            [refusal] = await events_until(second, "error")
            assert await second.read_event() is None
        assert Error.from_event(refusal).code == "overloaded"


@exercises("wyoming", "hanging up in the middle, and connecting again")
async def test_a_peer_that_hangs_up_leaves_its_place_to_the_next() -> None:
    async with serving(ScriptedEngine(), settings(server={"max_sessions": 1})) as served:
        async with connected(served) as client:
            await client.write_event(AudioStart(16_000, 2, 1).event())
            await client.write_event(Ping().event())
            await events_until(client, "pong")
        while await open_sessions(served) != "livecue_sessions 0.0":
            await checkpoint()
        assert await ask(served, sentence())


@pytest.mark.slow
async def test_a_silent_peer_is_disconnected() -> None:
    quick = settings(session={"idle_timeout_s": 0.05})
    async with serving(ScriptedEngine(), quick) as served, connected(served) as client:
        [refusal] = await events_until(client, "error")
        assert await client.read_event() is None
    assert Error.from_event(refusal).code == "idle_timeout"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("tcp://0.0.0.0:10300", "no API keys"),
        ("tcp://[::]:10300", "no API keys"),
        ("tcp://example.org:10300", "no API keys"),
        ("unix:///tmp/socket", "expected tcp"),
        ("tcp://127.0.0.1", "expected tcp"),
        ("tcp://127.0.0.1:no", "Port could not be cast"),
        ("tcp://127.0.0.1:99999", "Port out of range"),
    ],
)
def test_an_address_that_may_not_be_served_is_refused(address: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        bind_wyoming(ServerSettings(wyoming=address))


def test_insecure_allows_any_address() -> None:
    listener = bind_wyoming(ServerSettings(wyoming="tcp://0.0.0.0:0", insecure=True))
    assert listener is not None
    listener.close()


def test_an_address_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match="in use"):
            bind_wyoming(ServerSettings(wyoming=address))
