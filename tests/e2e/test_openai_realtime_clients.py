"""OpenAI's own clients against a running gateway: real speech on the embedded engine, and what goes wrong."""

from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import jiwer
import numpy as np
import pytest
from agents.voice import OpenAISTTModel, StreamedAudioInput, STTModelSettings
from anyio import to_thread
from openai import AuthenticationError, BadRequestError, OpenAI
from openai.types.realtime import RealtimeErrorEvent
from openai.types.websocket_reconnection import ReconnectingEvent
from websockets.exceptions import InvalidStatus

from decoder.engine_selection import create_engine
from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from tests.calls import g711
from tests.compatibility import exercises
from tests.meeting import TALK, TALK_BEGINNING, TALK_BEGINNING_S, spoken_frames, spoken_words, words
from tests.realtime_client import (
    Completed,
    Delta,
    Events,
    at_24_khz,
    client_of,
    events_until_settled,
    frames_of,
    resampled,
    speak,
    transcripts,
)
from tests.servers import EMBEDDED, Served, serving
from vad.audio import Float32

pytestmark = pytest.mark.timeout(180)

TRANSCRIPTION = {"model": "gpt-4o-transcribe", "language": "en"}
SERVER_VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}

BEGINNING_S = 6.0
BEGINNING = spoken_words()[:13]
"""Two sentences: hello can everyone hear me / can you read the captions on the screen."""


@asynccontextmanager
async def embedded() -> AsyncIterator[Served]:
    settings = load_settings(EMBEDDED)
    async with serving(create_engine(settings.engine), settings) as served:
        yield served


@asynccontextmanager
async def scripted(**server: object) -> AsyncIterator[Served]:
    async with serving(ScriptedEngine(), load_settings({"server": server})) as served:
        yield served


def wrong_words(spoken: Sequence[str], expected: Sequence[str]) -> float:
    """Return how many words in one are wrong."""
    return float(jiwer.wer(" ".join(expected), " ".join(words(" ".join(spoken)))))


def a_law(spoken_audio: Float32) -> bytes:
    """Return A-law audio. ITU-T G.711: sign, chord and step, every other bit inverted."""
    samples = np.clip(np.round(spoken_audio * 32_767), -32_767, 32_767).astype(np.int32)
    magnitude = np.abs(samples) >> 4
    chord = np.where(magnitude < 16, 0, np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 3)
    step = (magnitude >> np.maximum(chord - 1, 0)) & 0x0F
    return bytes(((np.where(samples < 0, 0, 0x80) | (chord << 4) | step) ^ 0x55).astype(np.uint8))


def events_of_items(events: Events) -> dict[str, list[str]]:
    """Return the kinds of events of each committed item, without deltas."""
    kinds: dict[str, list[str]] = {}
    for event in events:
        item_id = getattr(event, "item_id", None)
        if isinstance(item_id, str) and not isinstance(event, Delta):
            kinds.setdefault(item_id, []).append(event.type.rpartition(".")[2])
    return kinds


def deltas_of_items(events: Events) -> list[str]:
    """Return what the deltas of each item add up to."""
    deltas: dict[str, str] = {}
    for event in events:
        if isinstance(event, Delta):
            deltas[event.item_id] = deltas.get(event.item_id, "") + (event.delta or "")
    return list(deltas.values())


# --- openai ------------------------------------------------------------------------------------------------------


@exercises("openai", "Realtime: a meeting at 24 kHz with server_vad; words, order and types of all events")
async def test_a_meeting_over_openais_client() -> None:
    async with (
        embedded() as served,
        client_of(served) as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        created = await connection.recv()
        frames = frames_of(at_24_khz(spoken_frames()))
        await speak(connection, frames, transcription=TRANSCRIPTION, turn_detection=SERVER_VAD)
        events = await events_until_settled(connection)
    assert created.type == "session.created"
    assert events[0].type == "session.updated"
    for event in events:
        type(event).model_validate(event.to_dict())  # the client reads without a check
    assert wrong_words(transcripts(events), spoken_words()) <= 0.05
    in_order = ["speech_started", "speech_stopped", "committed", "completed"]
    assert all(kinds == in_order for kinds in events_of_items(events).values())
    assert deltas_of_items(events) == transcripts(events)


@exercises("openai", "Realtime: turn_detection null, an item committed by hand for each sentence")
async def test_items_are_committed_by_hand() -> None:
    spoken_audio = at_24_khz(spoken_frames(BEGINNING_S))
    async with (
        embedded() as served,
        client_of(served) as client,
        client.realtime.connect(model="gpt-realtime-whisper") as connection,
    ):
        await speak(connection, frames_of(spoken_audio), transcription=TRANSCRIPTION, turn_detection=None)
        await connection.input_audio_buffer.commit()
        events = await events_until_settled(connection)
    assert list(events_of_items(events).values()) == [["committed", "completed"]]
    assert wrong_words(transcripts(events), BEGINNING) <= 0.1


@pytest.mark.parametrize(("kind", "encoded"), [("audio/pcmu", g711), ("audio/pcma", a_law)])
@exercises("openai", "Realtime: telephone audio, audio/pcmu and audio/pcma")
async def test_telephone_audio_is_transcribed(kind: str, encoded: Callable[[Float32], bytes]) -> None:
    spoken_audio = encoded(resampled(spoken_frames(TALK_BEGINNING_S, TALK), 8_000))
    async with embedded() as served, client_of(served) as client, client.realtime.connect(model="any") as connection:
        frames = [spoken_audio[start : start + 160] for start in range(0, len(spoken_audio), 160)]
        await speak(connection, frames, format={"type": kind}, turn_detection=SERVER_VAD)
        events = await events_until_settled(connection)
    assert wrong_words(transcripts(events), TALK_BEGINNING.split()) <= 0.1


@exercises("openai", "Realtime: the synchronous client")
async def test_the_synchronous_client_receives_the_same() -> None:
    def converse(url: str) -> tuple[list[str], str]:
        with (
            OpenAI(api_key="any", base_url=f"{url}/v1") as client,
            client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
        ):
            connection.session.update(
                session={"type": "transcription", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
            )
            for frame in frames_of(at_24_khz(spoken_frames(BEGINNING_S))):
                connection.input_audio_buffer.append(audio=b64encode(frame).decode())
            seen: list[str] = []
            for event in connection:
                seen.append(event.type)
                if isinstance(event, Completed):
                    return seen, event.transcript
        raise AssertionError("the gateway closed")

    async with embedded() as served:
        seen, transcript = await to_thread.run_sync(converse, served.url)
    assert seen[:2] == ["session.created", "session.updated"]
    assert words(transcript) == BEGINNING[:5]


@exercises("openai", "Realtime: refusals are events that name their cause, and the session continues")
async def test_a_refusal_names_its_cause() -> None:
    async with (
        scripted() as served,
        client_of(served) as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        await connection.recv()
        await connection.send({"type": "input_audio_buffer.commit", "event_id": "empty"})
        await connection.send({"type": "input_audio_buffer.append", "audio": "?", "event_id": "bad"})
        await connection.send({"type": "response.create", "event_id": "other"})
        events = await events_until_settled(connection)
    errors = [(event.error.code, event.error.event_id) for event in events if isinstance(event, RealtimeErrorEvent)]
    assert errors == [
        ("input_audio_buffer_commit_empty", "empty"),
        ("invalid_value", "bad"),
        ("invalid_value", "other"),
    ]
    assert events[-1].type == "input_audio_buffer.cleared"


@exercises("openai", "Realtime: reconnects by itself to a gateway that was full")
async def test_a_client_of_a_full_gateway_comes_again() -> None:
    closed_with: list[int] = []
    async with scripted(max_sessions=1) as served, client_of(served) as client:
        first = await client.realtime.connect(model="any").enter()
        await first.recv()
        was_refused = anyio.Event()

        def note(event: ReconnectingEvent) -> None:
            closed_with.append(event.close_code)
            was_refused.set()

        async def leave() -> None:
            await was_refused.wait()
            await first.close()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leave)
            again = client.realtime.connect(model="any", on_reconnecting=note, max_retries=1_000, initial_delay=0.01)
            async with again as connection:
                async for event in connection:
                    assert event.type == "session.created"
                    break
    assert set(closed_with) == {1013}


@exercises("openai", "Realtime: a key that is not known is refused before the upgrade")
async def test_a_wrong_key_is_refused() -> None:
    async with scripted(api_keys=["secret"]) as served, client_of(served, "wrong") as client:
        with pytest.raises(InvalidStatus) as refusal:
            await client.realtime.connect(model="any").enter()
    assert refusal.value.response.status_code == 401


@exercises("openai", "Realtime: client secrets, made by one client and used twice by another")
async def test_a_client_secret_opens_sessions_of_its_kind() -> None:
    async with scripted(api_keys=["secret"]) as served, client_of(served, "secret") as server:
        made = await server.realtime.client_secrets.create(
            expires_after={"anchor": "created_at", "seconds": 60},
            session={"type": "transcription", "audio": {"input": {"turn_detection": None}}},
        )
        assert made.session.type == "transcription"
        for _ in range(2):
            async with client_of(served, made.value) as page, page.realtime.connect(model="any") as connection:
                created = await connection.recv()
                assert created.type == "session.created"
                assert created.to_dict()["session"]["audio"]["input"]["turn_detection"] is None  # type: ignore[index]
        with pytest.raises(BadRequestError):
            await server.realtime.client_secrets.create(session={"type": "realtime"})
        async with client_of(served, "wrong") as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.realtime.client_secrets.create()


# --- openai-agents -----------------------------------------------------------------------------------------------


async def turns(served: Served, spoken_audio: np.ndarray, settings: STTModelSettings) -> list[str]:
    """Return the turns that a voice agent transcribes."""
    async with client_of(served) as client:
        spoken = StreamedAudioInput()  # type: ignore[no-untyped-call]  # it has no annotation
        session = await OpenAISTTModel("gpt-4o-transcribe", client).create_session(
            spoken, settings, trace_include_sensitive_data=False, trace_include_sensitive_audio_data=False
        )
        for start in range(0, len(spoken_audio), 2_400):
            await spoken.add_audio(spoken_audio[start : start + 2_400])
        await spoken.add_audio(None)
        return [turn async for turn in session.transcribe_turns()]


@exercises("openai-agents", "voice: a meeting with its semantic_vad, and the end of it by commit and clear")
async def test_a_voice_agent_transcribes_a_meeting() -> None:
    async with embedded() as served:
        turn_texts = await turns(served, at_24_khz(spoken_frames()), STTModelSettings(language="en"))
    assert wrong_words(turn_texts, spoken_words()) <= 0.1


@exercises("openai-agents", "voice: audio that ends within a word, server_vad, keywords and a prompt")
async def test_a_voice_agent_gets_the_last_words_of_truncated_audio() -> None:
    settings = STTModelSettings(prompt="A meeting.", keywords=["captions"], turn_detection={"type": "server_vad"})
    cut = at_24_khz(spoken_frames(5.0))[: 24_000 * 5]
    async with embedded() as served:
        turn_texts = await turns(served, cut, settings)
    assert words(" ".join(turn_texts))[-3:] == ["read", "the", "captions"]


@exercises("openai-agents", "voice: silence ends without a turn")
async def test_a_voice_agent_gets_no_words_in_silence() -> None:
    async with scripted() as served:
        assert await turns(served, np.zeros(24_000, np.int16), STTModelSettings()) == []
