"""One connection from its start message to its close, over memory streams."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import anyio
import numpy as np
import pytest

from decoder.engine import Engine
from decoder.engines.scripted import CostModel, ScriptedEngine
from decoder.settings import SchedulerSettings
from decoder.types import DecodeRequest, EngineError, Hypothesis
from gateway.session.context import SessionContext
from gateway.settings import SessionSettings
from gateway.wire import ClientEvent, Endpointing, KeepAlive, Start, Update
from gateway.wire.native.codec import NativeCodec
from tests.sessions import (
    SETTINGS,
    Message,
    ShortEngine,
    call,
    failing_finals,
    open_context,
    sessions_open,
    settled,
    silence,
    speech,
    stuck_on_finals,
)

TINY_S = 0.02
UTTERANCE = (silence(0.5), speech(1.2), silence(0.7))
START: Message = {"type": "start"}
STOP: Message = {"type": "stop"}
FLUSH: Message = {"type": "flush", "id": "a"}


@asynccontextmanager
async def gateway(
    engine: Engine | None = None, session: SessionSettings = SETTINGS, decode_timeout_s: float = 30.0
) -> AsyncIterator[SessionContext]:
    """Run a gateway for the block, and see that its sessions leave nothing behind."""
    before = asyncio.all_tasks()
    async with open_context(engine, session, SchedulerSettings(decode_timeout_s=decode_timeout_s)) as context:
        yield context
        await settled()
        assert context.scheduler.waiting == 0
        assert sessions_open(context) == 0
    assert asyncio.all_tasks() == before


def kinds(messages: list[Message]) -> list[object]:
    return [message["type"] for message in messages]


def of(kind: str, messages: list[Message]) -> list[Message]:
    return [message for message in messages if message["type"] == kind]


def final_text(messages: list[Message]) -> str:
    return " ".join(str(final["text"]) for final in of("final", messages)).strip()


def outcomes(context: SessionContext) -> str:
    lines = context.metrics.exposition().decode().splitlines()
    return "\n".join(line for line in lines if line.startswith("livecue_sessions_ended_total"))


async def conversation(context: SessionContext, *messages: Message | str | bytes) -> tuple[list[Message], int | None]:
    """Return what the gateway answers, up to its goodbye, and the code of that."""
    async with call(context) as peer:
        await peer.send(*messages)
        return await peer.receive_all(), peer.transport.close_code


# --- the way of a session ----------------------------------------------------------------------------------------


async def test_stop_brings_finished_and_a_normal_close() -> None:
    async with gateway() as context:
        messages, close_code = await conversation(context, START, *UTTERANCE, STOP)
        assert messages[0]["type"] == "ready"
        assert messages[-1] | {"seq": 0} == {"type": "finished", "seq": 0, "audio_s": 2.4, "utterances": 1}
        assert final_text(messages) == "two three four"
        assert close_code == 1000
        assert 'outcome="finished"} 1.0' in outcomes(context)


async def test_sequence_numbers_only_grow() -> None:
    async with gateway() as context:
        messages, _ = await conversation(context, START, *UTTERANCE, "nonsense", *UTTERANCE, FLUSH, STOP)
    numbers = [int(str(message["seq"])) for message in messages]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))


async def test_flushed_comes_after_the_finals_before_it() -> None:
    async with gateway() as context:
        messages, _ = await conversation(context, START, silence(0.5), speech(1.2), FLUSH, *UTTERANCE, STOP)
    order = [kind for kind in kinds(messages) if kind in ("final", "flushed", "finished")]
    assert order == ["final", "flushed", "final", "finished"]
    assert of("speech_ended", messages)[0]["reason"] == "flush"
    assert of("flushed", messages)[0]["id"] == "a"


async def test_a_flush_of_nothing_is_answered() -> None:
    async with gateway() as context:
        messages, _ = await conversation(context, START, FLUSH, FLUSH | {"id": "b"}, STOP)
    assert [flushed["id"] for flushed in of("flushed", messages)] == ["a", "b"]


async def test_the_last_ack_covers_everything() -> None:
    async with gateway() as context:
        messages, _ = await conversation(context, START, silence(0.5), STOP)
    assert of("ack", messages)[-1]["received_samples"] == of("ack", messages)[-1]["processed_samples"] == 8_000


async def test_messages_after_stop_are_refused_and_harmless() -> None:
    async with gateway(ScriptedEngine(cost=CostModel(batch_s=TINY_S))) as context, call(context) as peer:
        await peer.send(START, *UTTERANCE, STOP, speech(0.1))
        messages = await peer.receive_all()
        assert [error["message"] for error in of("error", messages)] == ["got a message after stop: expected none"]
        assert of("error", messages)[0]["fatal"] is False
        assert kinds(messages)[-1] == "finished"
        assert peer.transport.close_code == 1000


# --- what a client may get wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "field"),
    [
        ("nonsense", None),
        (b"\0\0", None),
        (json.dumps(STOP), None),
        (json.dumps({"type": "begin"}), "type"),
        (json.dumps({"type": "start", "cues": {"profile": "cinema"}}), "cues.profile"),
        (json.dumps({"type": "start", "cues": {"profile": ""}}), "cues.profile"),
        (json.dumps({"type": "start", "endpointing": {"detector": "crystal ball"}}), "endpointing.detector"),
        (json.dumps({"type": "start", "endpointing": {"detector": ""}}), "endpointing.detector"),
        (json.dumps({"type": "start", "endpointing": {"partial_interval_ms": 1}}), "endpointing"),
    ],
)
async def test_a_bad_first_message_ends_the_session(first: str | bytes, field: str | None) -> None:
    async with gateway() as context:
        messages, close_code = await conversation(context, first)
    assert kinds(messages) == ["error"]
    assert (messages[0]["code"], messages[0]["fatal"], messages[0]["field"]) == ("protocol_error", True, field)
    assert close_code == 1008


async def test_a_refused_setting_has_the_name_the_client_knows() -> None:
    async with gateway() as context:
        start: Message = {"type": "start", "endpointing": {"partial_interval_ms": 1}}
        messages, _ = await conversation(context, start)
    assert messages[0]["message"] == "partial_interval_ms 1 out of range: expected 50–30000"


async def test_a_refused_name_is_not_echoed_at_length() -> None:
    async with gateway() as context:
        start: Message = {"type": "start", "cues": {"profile": "x" * 100_000}}
        messages, _ = await conversation(context, start)
    assert len(str(messages[0]["message"])) < 200


@pytest.mark.parametrize("language", ["xx", "fr-CA", "French"])
async def test_a_language_the_engine_does_not_write_is_refused(language: str) -> None:
    engine = ScriptedEngine()
    engine.info = replace(engine.info, languages=("en", "de"))
    async with gateway(engine) as context:
        messages, close_code = await conversation(context, {"type": "start", "language": language})
    assert messages[0]["message"] == f"language {language!r}: scripted supports de, en"
    assert close_code == 1008


@pytest.mark.parametrize(("language", "ready"), [("eng", "en"), ("German", "de"), ("de-AT", "de"), ("auto", None)])
async def test_a_language_is_understood_however_it_is_written(language: str, ready: str | None) -> None:
    engine = ScriptedEngine()
    engine.info = replace(engine.info, languages=("en", "de"))
    async with gateway(engine) as context:
        messages, close_code = await conversation(context, {"type": "start", "language": language}, *UTTERANCE, STOP)
    assert messages[0]["language"] == ready
    assert close_code == 1000


async def test_a_list_without_a_language_the_engine_writes_is_refused() -> None:
    engine = ScriptedEngine()
    engine.info = replace(engine.info, languages=("en", "de"))
    async with gateway(engine) as context:
        messages, close_code = await conversation(context, {"type": "start", "languages": ["fr", "ja"]})
    assert messages[0]["message"] == "languages 'fr, ja': scripted supports de, en"
    assert messages[0]["field"] == "languages"
    assert close_code == 1008


async def test_nonsense_in_the_middle_is_refused_and_harms_nothing() -> None:
    async with gateway() as context:
        parts = (UTTERANCE[0], "nonsense", UTTERANCE[1], json.dumps(START), UTTERANCE[2])
        messages, close_code = await conversation(context, START, *parts, STOP)
    assert [error["fatal"] for error in of("error", messages)] == [False, False]
    assert final_text(messages) == "two three four"
    assert close_code == 1000


async def test_a_container_header_in_the_audio_ends_the_session() -> None:
    async with gateway() as context:
        messages, close_code = await conversation(context, START, b"RIFF\0\0\0\0WAVEfmt ")
    assert (messages[-1]["code"], messages[-1]["fatal"]) == ("invalid_audio", True)
    assert close_code == 1007


async def test_an_odd_byte_at_the_end_is_announced() -> None:
    async with gateway() as context:
        messages, close_code = await conversation(context, START, *UTTERANCE, b"\0", STOP)
    assert [warning["code"] for warning in of("warning", messages)] == ["incomplete_sample"]
    assert close_code == 1000


async def test_floats_that_are_no_numbers_are_mended_and_announced_once() -> None:
    start: Message = {"type": "start", "audio": {"encoding": "pcm_f32le"}}
    broken = np.full(8_000, np.nan, "<f4").tobytes()
    async with gateway() as context:
        messages, close_code = await conversation(context, start, broken, broken, STOP)
    assert [warning["code"] for warning in of("warning", messages)] == ["repaired_samples"]
    assert close_code == 1000


# --- a client that goes, does not read, or does not speak -----------------------------------------------------------


@pytest.mark.parametrize("before", range(6))
async def test_a_client_may_go_at_any_message(before: int) -> None:
    messages = (START, *UTTERANCE, FLUSH)
    async with gateway() as context:
        async with call(context) as peer:
            await peer.send(*messages[:before])
            await peer.hang_up()
        assert 'outcome="disconnected"} 1.0' in outcomes(context)


@pytest.mark.parametrize("received", range(10))
async def test_a_client_may_go_after_any_answer(received: int) -> None:
    async with gateway() as context, call(context) as peer:
        await peer.send(START, *UTTERANCE, FLUSH)
        for _ in range(received):
            await peer.receive()
        await peer.hang_up()


@pytest.mark.parametrize("turns", range(12))
async def test_a_client_may_go_between_any_two_steps_of_the_gateway(turns: int) -> None:
    async with gateway() as context, call(context) as peer:
        await peer.send(START, *UTTERANCE, STOP)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        await peer.hang_up()


async def test_a_client_may_go_while_the_engine_decodes() -> None:
    async with gateway(stuck_on_finals(), decode_timeout_s=TINY_S) as context:
        async with call(context) as peer:
            await peer.send(START, *UTTERANCE, STOP)
            await settled()
            await peer.hang_up()
        messages, _ = await conversation(context, START, STOP)
        assert kinds(messages)[-1] == "finished"


async def test_a_session_that_is_cancelled_leaves_nothing_behind() -> None:
    async with gateway(stuck_on_finals()) as context:
        with anyio.CancelScope() as scope:
            async with call(context) as peer:
                await peer.send(START, *UTTERANCE, STOP)
                await settled()
                scope.cancel()
                await anyio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        await peer.transport.close(1012, "")


async def test_a_client_that_never_reads_is_cut_off_and_others_are_not() -> None:
    async with gateway(session=replace(SETTINGS, send_timeout_s=TINY_S)) as context:
        async with call(context) as deaf:
            await deaf.send(START, *["nonsense"] * 40)
            messages, close_code = await conversation(context, START, *UTTERANCE, STOP)
            assert final_text(messages) == "two three four"
            assert close_code == 1000
            await deaf.is_over.wait()
            assert deaf.transport.close_code == 1013
        assert 'outcome="slow_reader"} 1.0' in outcomes(context)


async def test_a_client_that_lets_its_outbox_fill_is_cut_off() -> None:
    async with gateway(session=replace(SETTINGS, outbox_max_events=5)) as context, call(context) as deaf:
        with suppress(anyio.BrokenResourceError):
            await deaf.send(START, *["nonsense"] * 40)
        await deaf.is_over.wait()
        assert deaf.transport.close_code == 1013


async def test_a_full_outbox_hides_no_fatal_error() -> None:
    async with gateway(session=replace(SETTINGS, outbox_max_events=2)) as context, call(context) as peer:
        await peer.send(START)
        for _ in range(18):  # 16 fill the stream, one is with the writer: 2 are left to the outbox
            await peer.send("nonsense")
            await settled()
        await peer.send(b"RIFF\0\0\0\0WAVEfmt ")
        await settled()
        assert kinds(await peer.receive_all()) == ["ready"] + ["error"] * 18
        assert peer.transport.close_code == 1007


async def test_a_client_that_never_sends_start_is_disconnected() -> None:
    async with gateway(session=replace(SETTINGS, start_timeout_s=TINY_S)) as context:
        messages, close_code = await conversation(context)
    assert [(message["code"], message["fatal"]) for message in messages] == [("start_timeout", True)]
    assert close_code == 1008


async def test_a_client_that_falls_silent_gets_its_words_and_is_disconnected() -> None:
    async with gateway(session=replace(SETTINGS, idle_timeout_s=TINY_S)) as context:
        messages, close_code = await conversation(context, START, silence(0.5), speech(1.2))
    assert of("error", messages)[0]["code"] == "idle_timeout"
    assert final_text(messages) == "two three four"
    assert kinds(messages)[-1] == "finished"
    assert close_code == 1008


async def test_a_client_that_keeps_alive_is_not_idle() -> None:
    async with gateway(session=replace(SETTINGS, idle_timeout_s=10 * TINY_S)) as context, call(context) as peer:
        await peer.send(START)
        with anyio.move_on_after(15 * TINY_S):
            while True:
                await peer.send({"type": "keepalive"})
                await anyio.lowlevel.checkpoint()
        await peer.send(STOP)
        assert kinds(await peer.receive_all()) == ["ready", "ack", "finished"]


async def test_a_client_that_has_sent_stop_is_not_idle() -> None:
    engine = ScriptedEngine(cost=CostModel(batch_s=2 * TINY_S))
    async with gateway(engine, replace(SETTINGS, idle_timeout_s=TINY_S)) as context:
        messages, close_code = await conversation(context, START, *UTTERANCE, STOP)
    assert of("error", messages) == []
    assert final_text(messages) == "two three four"
    assert close_code == 1000


# --- an engine that fails -----------------------------------------------------------------------------------------


def raising(request: DecodeRequest) -> Hypothesis | EngineError:
    raise RuntimeError("the script raises")


@pytest.mark.parametrize(
    ("engine", "code", "decode_timeout_s"),
    [
        (lambda: ScriptedEngine(failing_finals), "engine_failed", 30.0),
        (lambda: ScriptedEngine(raising), "engine_failed", 30.0),
        (ShortEngine, "engine_failed", 30.0),
        (stuck_on_finals, "engine_timeout", TINY_S),
    ],
    ids=["fails", "raises", "answers too few", "hangs"],
)
async def test_a_failed_final_has_an_error_and_the_session_continues(
    engine: Callable[[], Engine], code: str, decode_timeout_s: float
) -> None:
    async with gateway(engine(), decode_timeout_s=decode_timeout_s) as context:
        messages, close_code = await conversation(context, START, *UTTERANCE, *UTTERANCE, STOP)
    assert [final["error"] for final in of("final", messages)] == [code, code]
    assert of("finished", messages)[0]["utterances"] == 2
    assert close_code == 1000


async def test_partials_that_fail_are_announced_once() -> None:
    async with gateway(ScriptedEngine(raising)) as context, call(context) as peer:
        await peer.send(START)
        for _ in range(20):
            await peer.send(speech(0.1))
            await settled()
        await peer.send(STOP)
        messages = await peer.receive_all()
    assert [warning["code"] for warning in of("warning", messages)] == ["partials_failing"]


async def test_a_final_that_fails_keeps_the_words_of_its_partials() -> None:
    async with gateway(ScriptedEngine(failing_finals)) as context, call(context) as peer:
        await peer.send(START)
        for _ in range(20):
            await peer.send(speech(0.1))
            await settled()
        await peer.send(STOP)
        messages = await peer.receive_all()
    final = of("final", messages)[0]
    assert final["error"] == "engine_failed"
    assert str(final["text"]).startswith("one two three")


# --- sessions beside each other ---------------------------------------------------------------------------------------


async def test_a_huge_message_delays_no_other_session() -> None:
    async with gateway() as context, call(context) as hog, call(context) as other:
        await hog.send(START, bytes(10_000_000), FLUSH)
        await other.send(START, *UTTERANCE, STOP)
        assert final_text(await other.receive_all()) == "two three four"
        assert sessions_open(context) == 1
        so_far = int(str((await hog.receive_until("ack"))[-1]["received_samples"]))
        assert so_far < 5_000_000
        await hog.send(STOP)
        finished = (await hog.receive_all())[-1]
    assert finished["audio_s"] == 312.5


async def test_sessions_are_isolated() -> None:
    async with gateway() as context, anyio.create_task_group() as tasks:
        received: dict[float, str] = {}

        async def talk(pause_s: float) -> None:
            messages, _ = await conversation(context, START, silence(pause_s), *UTTERANCE, STOP)
            received[pause_s] = final_text(messages)

        for pause_s in (0.0, 0.8, 1.6):
            tasks.start_soon(talk, pause_s)
    assert received == {0.0: "two three four", 0.8: "four five six", 1.6: "six seven eight"}


async def test_a_client_that_sends_faster_than_the_engine_decodes_is_warned_then_cut_off() -> None:
    settings = replace(SETTINGS, lag_shed_s=1.0, lag_limit_s=4.0)
    async with gateway(stuck_on_finals(), settings) as context, call(context) as peer:
        await peer.send(START, *UTTERANCE)
        for _ in range(20):
            await peer.send(silence(0.25))
        messages = await peer.receive_all()
        assert [warning["code"] for warning in of("warning", messages)] == ["partials_paused", "lagging"]
        assert (messages[-1]["code"], messages[-1]["fatal"]) == ("lagging", True)
        assert peer.transport.close_code == 1013


class RestlessCodec(NativeCodec):
    """Asks for what cannot be had where the client says `keepalive`."""

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        events = super().receive(message)
        update = Update(Start(endpointing=Endpointing(silence_ms=-1)))
        return [update if isinstance(event, KeepAlive) else event for event in events]


async def test_an_unsupported_update_is_refused_and_the_session_continues() -> None:
    async with open_context() as context, call(context, RestlessCodec()) as peer:
        await peer.send(START, {"type": "keepalive"}, *UTTERANCE, STOP)
        messages = await peer.receive_all()
    (error,) = of("error", messages)
    assert (error["fatal"], error["code"]) == (False, "protocol_error")
    assert len(of("final", messages)) == 1
    assert kinds(messages)[-1] == "finished"
