"""A session in OpenAI's Realtime dialect, over memory streams, message by message."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from decoder.engine import Engine
from decoder.engines.scripted import ScriptedEngine
from decoder.types import DecodeRequest, Hypothesis, Word
from gateway.session.context import SessionContext
from gateway.wire.openai_realtime.codec import OpenAIRealtimeCodec
from gateway.wire.openai_realtime.validation_errors import Refusal, read_secret_request
from tests.sessions import (
    SETTINGS,
    Message,
    Peer,
    call,
    failing_finals,
    open_context,
    settled,
    silence,
    speech,
    stuck_on_finals,
)

UTTERANCE = (silence(0.5), speech(1.2), silence(0.9))
TRANSCRIPTION = "conversation.item.input_audio_transcription"
COMPLETED = f"{TRANSCRIPTION}.completed"
DELTA = f"{TRANSCRIPTION}.delta"
COMMIT: Message = {"type": "input_audio_buffer.commit"}
CLEAR: Message = {"type": "input_audio_buffer.clear"}
CLEARED = "input_audio_buffer.cleared"
MANUAL = {"turn_detection": None}


def update(**audio: object) -> Message:
    """Return a `session.update` of the audio options, at the rate of the test audio unless another is given."""
    audio = {"format": {"type": "audio/pcm", "rate": 16_000}} | audio
    return {"type": "session.update", "session": {"type": "transcription", "audio": {"input": audio}}}


@asynccontextmanager
async def session(
    engine: Engine | None = None, *, with_cues: bool = False, context: SessionContext | None = None, **audio: object
) -> AsyncIterator[Peer]:
    """Run a session that has been created and updated."""
    async with open_context(engine) as own, call(context or own, OpenAIRealtimeCodec(with_cues=with_cues)) as peer:
        assert (await peer.receive())["type"] == "session.created"
        await peer.send(update(**audio))
        assert (await peer.receive())["type"] == "session.updated"
        yield peer


def kinds(messages: list[Message]) -> list[str]:
    return [str(message["type"]).removeprefix("input_audio_buffer.").rpartition("item.")[2] for message in messages]


def without_deltas(messages: list[Message]) -> list[str]:
    return [kind for kind in kinds(messages) if not kind.endswith("delta")]


def of(kind: str, messages: list[Message]) -> list[Message]:
    return [message for message in messages if str(message["type"]).endswith(kind)]


def one_word(request: DecodeRequest) -> Hypothesis:
    """Say the same word of an utterance all the time."""
    word = Word(f" part{request.utterance_id}", request.start_sample, request.end_sample, 1.0)
    return Hypothesis(request.session_id, request.utterance_id, request.revision, (word,), language="en")


ITEM = ["committed", "added", "done"]
RECEIVED = ["speech_started", "speech_stopped", *ITEM, "input_audio_transcription.completed"]


# --- turns found by voice activity -----------------------------------------------------------------------------------


async def test_the_session_is_created_before_the_first_client_message() -> None:
    async with open_context() as context, call(context, OpenAIRealtimeCodec()) as peer:
        created = await peer.receive()
    assert created["type"] == "session.created"


async def test_speech_becomes_an_item_and_the_item_its_words() -> None:
    async with session() as peer:
        await peer.send(*UTTERANCE)
        messages = await peer.receive_until(COMPLETED)
    assert without_deltas(messages) == RECEIVED
    assert len({message["item_id"] for message in messages if "item_id" in message}) == 1
    assert messages[-1]["transcript"] == "two three four"
    assert messages[-1]["languages"] == [{"code": "en"}]


async def test_deltas_are_words_and_add_up_to_the_transcript() -> None:
    async with session() as peer:
        await peer.send(silence(0.5), speech(4.2), silence(0.9))
        messages = await peer.receive_until(COMPLETED)
    deltas = [str(message["delta"]) for message in of("delta", messages)]
    assert "".join(deltas) == messages[-1]["transcript"]
    assert all(len(delta.split()) == 1 for delta in deltas)
    assert kinds(messages).index("input_audio_transcription.delta") < kinds(messages).index("committed")


async def test_times_include_the_audio_kept_around_speech() -> None:
    async with session() as peer:
        await peer.send(silence(1.0), speech(1.2), silence(0.9))
        messages = await peer.receive_until(COMPLETED)
    started, stopped = of("speech_started", messages)[0], of("speech_stopped", messages)[0]
    assert 550 <= int(str(started["audio_start_ms"])) <= 600  # 400 ms before, on the grid of 32 ms windows
    assert 2_390 <= int(str(stopped["audio_end_ms"])) <= 2_440  # 200 ms after
    span_ms = int(str(stopped["audio_end_ms"])) - int(str(started["audio_start_ms"]))
    usage = messages[-1]["usage"]
    assert isinstance(usage, dict)
    assert usage["type"] == "duration"
    assert abs(usage["seconds"] * 1000 - span_ms) <= 1


async def test_each_item_names_the_one_before_it_and_they_settle_in_order() -> None:
    async with session() as peer:
        await peer.send(*UTTERANCE, *UTTERANCE, *UTTERANCE, CLEAR)
        messages = await peer.receive_until(CLEARED)
        while len(of("completed", messages)) < 3:
            messages.append(await peer.receive())
    committed = of("committed", messages)
    ids = [message["item_id"] for message in committed]
    assert [message["previous_item_id"] for message in committed] == [None, *ids[:-1]]
    assert [message["item_id"] for message in of("completed", messages)] == ids
    assert [message["previous_item_id"] for message in of("item.added", messages)] == [None, *ids[:-1]]


async def test_event_ids_are_unique() -> None:
    async with session() as peer:
        await peer.send(*UTTERANCE, "nonsense", *UTTERANCE, CLEAR)
        messages = await peer.receive_until(CLEARED)
    ids = [message["event_id"] for message in messages]
    assert len(set(ids)) == len(ids)


async def test_prefix_padding_and_threshold_are_heeded() -> None:
    vad = {"type": "server_vad", "prefix_padding_ms": 0, "threshold": 0.9, "silence_duration_ms": 300}
    async with session(turn_detection=vad) as peer:
        await peer.send(silence(1.0), speech(1.2), silence(0.4))
        messages = await peer.receive_until(COMPLETED)
    assert 950 <= int(str(of("speech_started", messages)[0]["audio_start_ms"])) <= 1_000


async def test_an_eager_semantic_turn_ends_sooner_than_a_patient_one() -> None:
    async with session(turn_detection={"type": "semantic_vad", "eagerness": "low"}) as peer:
        await peer.send(*UTTERANCE, *UTTERANCE, silence(1.0))
        patient = await peer.receive_until(COMPLETED)
    async with session(turn_detection={"type": "semantic_vad", "eagerness": "high"}) as peer:
        await peer.send(*UTTERANCE, *UTTERANCE)
        eager = await peer.receive_until(COMPLETED)
    assert patient[-1]["transcript"] == "two three four five six seven eight nine ten one"
    assert eager[-1]["transcript"] == "two three four"


async def test_a_commit_in_speech_ends_the_item_there() -> None:
    async with session() as peer:
        await peer.send(silence(0.5), speech(1.2), COMMIT)
        messages = await peer.receive_until(COMPLETED)
        await peer.send(*UTTERANCE)
        after = await peer.receive_until(COMPLETED)
    assert without_deltas(messages) == RECEIVED
    assert messages[-1]["transcript"] == "two three four"
    assert without_deltas(after) == RECEIVED


async def test_a_commit_without_speech_is_refused_by_its_own_id() -> None:
    async with session() as peer:
        await peer.send(silence(0.5), COMMIT | {"event_id": "mine"}, CLEAR)
        error, cleared = await peer.receive(), await peer.receive()
    assert error["error"] == {
        "type": "invalid_request_error",
        "code": "input_audio_buffer_commit_empty",
        "message": "Error committing input audio buffer: no speech since the last committed item.",
        "param": None,
        "event_id": "mine",
    }
    assert cleared["type"] == CLEARED


async def test_cleared_speech_is_nothing() -> None:
    async with session() as peer:
        await peer.send(silence(0.5), speech(3.2), CLEAR)
        messages = await peer.receive_until(CLEARED)
        await peer.send(*UTTERANCE)
        messages += await peer.receive_until(COMPLETED)
    assert without_deltas(messages) == ["speech_started", "cleared", *RECEIVED]
    last = messages[-1]
    deltas = [str(delta["delta"]) for delta in of("delta", messages) if delta["item_id"] == last["item_id"]]
    assert "".join(deltas) == last["transcript"]


# --- turns that the client commits ------------------------------------------------------------------------------------


async def test_a_manual_commit_brings_everything_since_the_last() -> None:
    async with session(turn_detection=None) as peer:
        await peer.send(silence(0.5), speech(1.0), silence(1.5), speech(1.0), COMMIT)
        first = await peer.receive_until(COMPLETED)
        await peer.send(speech(1.0), COMMIT)
        second = await peer.receive_until(COMPLETED)
    for messages in (first, second):
        assert without_deltas(messages) == [*ITEM, "input_audio_transcription.completed"]
    assert first[-1]["transcript"] == "one two three four five six seven eight nine ten"
    assert of("committed", second)[0]["previous_item_id"] == first[-1]["item_id"]


async def test_a_manual_item_may_be_longer_than_an_utterance() -> None:
    async with session(ScriptedEngine(one_word), turn_detection=None) as peer:
        for _ in range(60):
            await peer.send(speech(1.0))
        await peer.send(COMMIT)
        messages = await peer.receive_until(COMPLETED)
    assert without_deltas(messages) == [*ITEM, "input_audio_transcription.completed"]
    deltas = "".join(str(message["delta"]) for message in of("delta", messages))
    assert deltas == messages[-1]["transcript"]
    assert deltas == "part0 part1 part2"
    assert messages[-1]["usage"] == {"type": "duration", "seconds": 60.0}
    assert {message["item_id"] for message in of("delta", messages)} == {messages[-1]["item_id"]}


async def test_a_manual_commit_of_less_than_100_ms_is_refused() -> None:
    async with session(turn_detection=None) as peer:
        await peer.send(speech(0.09), COMMIT | {"event_id": "mine"})
        refused = await peer.receive()
        await peer.send(speech(0.01), COMMIT)
        messages = await peer.receive_until(COMPLETED)
    error = refused["error"]
    assert isinstance(error, dict)
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert error["message"].endswith("but buffer only has 90.00ms of audio.")
    assert error["event_id"] == "mine"
    assert "committed" in kinds(messages)


async def test_every_manual_item_settles_however_short() -> None:
    async with session(turn_detection=None) as peer:
        for _ in range(3):
            await peer.send(silence(0.1), COMMIT)
        messages: list[Message] = []
        while len(of("completed", messages)) < 3:
            messages.append(await peer.receive())
    assert [m["item_id"] for m in of("completed", messages)] == [m["item_id"] for m in of("committed", messages)]


async def test_a_clear_forgets_all_since_the_last_commit() -> None:
    async with session(turn_detection=None) as peer:
        await peer.send(speech(1.0), COMMIT, speech(30.0), CLEAR, speech(1.0), COMMIT)
        messages = await peer.receive_until(CLEARED)
        messages += await peer.receive_until(COMPLETED)
        while len(of("completed", messages)) < 2:
            messages.append(await peer.receive())
    assert len(of("committed", messages)) == 2
    assert [len(str(message["transcript"]).split()) for message in of("completed", messages)] == [2, 2]


async def test_turn_detection_may_be_switched_on_and_off() -> None:
    async with session(turn_detection=None) as peer:
        await peer.send(speech(1.0), COMMIT)
        manual = await peer.receive_until(COMPLETED)
        await peer.send(update(turn_detection={"type": "server_vad"}), *UTTERANCE)
        received = await peer.receive_until(COMPLETED)
        await peer.send(update(turn_detection=None), *UTTERANCE, COMMIT)
        again = await peer.receive_until(COMPLETED)
    assert without_deltas(manual) == [*ITEM, "input_audio_transcription.completed"]
    assert without_deltas(received) == ["session.updated", *RECEIVED]
    assert without_deltas(again) == ["session.updated", *ITEM, "input_audio_transcription.completed"]


async def test_speech_that_is_open_when_turn_detection_comes_on_becomes_an_item() -> None:
    async with session(turn_detection=None) as peer:
        await peer.send(speech(1.0), update(turn_detection={"type": "server_vad"}), silence(0.9))
        messages = await peer.receive_until(COMPLETED)
    assert without_deltas(messages) == ["session.updated", *ITEM, "input_audio_transcription.completed"]


# --- what else there is -----------------------------------------------------------------------------------------------


async def test_without_transcription_items_have_no_words() -> None:
    async with session(transcription=None) as peer:
        await peer.send(*UTTERANCE, *UTTERANCE, update(transcription={"model": "whisper-1"}), *UTTERANCE)
        messages = await peer.receive_until(COMPLETED)
    assert len(of("committed", messages)) == 3
    assert len(of("completed", messages)) == 1


async def test_cues_are_sent_only_if_requested() -> None:
    async with session(with_cues=True) as peer:
        await peer.send(*UTTERANCE)
        messages = await peer.receive_until(COMPLETED)
    cue = of("livecue.cue", messages)[-1]["cue"]
    assert isinstance(cue, dict)
    assert cue["lines"] == ["two three four"]
    assert cue["state"] == "final"
    assert of("livecue.cue", messages)[-1]["item_id"] == messages[-1]["item_id"]
    async with session() as peer:
        await peer.send(*UTTERANCE)
        assert of("livecue.cue", await peer.receive_until(COMPLETED)) == []


async def test_an_engine_that_fails_after_words_were_sent_leaves_those() -> None:
    async with session(ScriptedEngine(failing_finals)) as peer:
        await peer.send(silence(0.5), speech(4.2), silence(0.9))
        messages = await peer.receive_until(COMPLETED)
    assert messages[-1]["transcript"]
    assert "".join(str(message["delta"]) for message in of("delta", messages)) == messages[-1]["transcript"]


async def test_an_engine_that_fails_without_a_word_fails_the_item_and_not_the_session() -> None:
    async with session(ScriptedEngine(failing_finals)) as peer:
        await peer.send(silence(0.5), speech(0.3), silence(0.9))
        messages = await peer.receive_until(f"{TRANSCRIPTION}.failed")
        await peer.send(CLEAR)
        await peer.receive_until(CLEARED)
    error = messages[-1]["error"]
    assert isinstance(error, dict)
    assert (error["type"], error["code"], error["param"]) == ("server_error", "engine_failed", None)


async def test_a_lagging_gateway_reports_it_only_by_its_close_code() -> None:
    settings = replace(SETTINGS, lag_shed_s=1.0, lag_limit_s=4.0)
    async with (
        open_context(stuck_on_finals(), settings) as context,
        call(context, OpenAIRealtimeCodec()) as peer,
    ):
        await peer.send(update(), *UTTERANCE)
        for _ in range(16):
            await peer.send(silence(0.25))
        messages = await peer.receive_all()
        assert of("error", messages) == []
        assert peer.transport.close_code == 1013


async def test_nonsense_is_refused_and_harms_nothing() -> None:
    async with session() as peer:
        await peer.send(UTTERANCE[0], "nonsense", UTTERANCE[1], {"type": "response.create", "event_id": "a"})
        await peer.send(UTTERANCE[2])
        messages = await peer.receive_until(COMPLETED)
        await settled()
    assert messages[-1]["transcript"] == "two three four"
    assert len(of("error", messages)) == 2


def test_a_request_for_a_client_secret_is_read_with_its_session_and_refused_if_it_is_not_json() -> None:
    read = read_secret_request(
        b'{"expires_after": {"anchor": "created_at", "seconds": 60}, "session": {"type": "transcription"}}'
    )
    assert read.session is not None
    assert read_secret_request(b"{}").session is None
    with pytest.raises(Refusal, match="not JSON"):
        read_secret_request(b"{")
