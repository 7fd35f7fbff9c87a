"""The overload ladder of a gateway, as its sessions meet it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from decoder.engines.scripted import ScriptedEngine
from decoder.types import DecodeRequest, EngineError, Hypothesis, RequestKind
from gateway.errors import FilesPaused
from gateway.load.ladder import Step
from gateway.session.context import SessionContext
from tests.requests import request
from tests.sessions import SETTINGS, Message, Peer, call, open_context, settled, silence, speech, stuck_on_finals
from tests.uploading import GatedEngine

START: Message = {"type": "start", "endpointing": {"partial_interval_ms": 500}}
UTTERANCE = silence(0.5) + speech(1.2) + silence(1.0)


@dataclass
class Clock:
    """A clock that a test advances."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Watched:
    """A gateway whose overload a test observes, step by step."""

    context: SessionContext
    clock: Clock
    steps: list[Step] = field(default_factory=list)

    async def observe(self, times: int = 1) -> Step:
        """Observe every half second."""
        for _ in range(times):
            await settled()
            self.clock.now_s += 0.5
            self.context.overload.observe(self.context.scheduler, self.context.live)
        await settled()
        return self.context.overload.step

    async def play(self, seconds: float, *peers: Peer) -> Step:
        """Let peers speak, fall silent and go on sending in real time, for that long after the end of speech."""
        audio = silence(0.5) + speech(1.0) + silence(seconds)
        for start in range(0, len(audio), len(silence(0.5))):
            for peer in peers:
                await peer.send(audio[start : start + len(silence(0.5))])
            await self.observe()
        return self.context.overload.step


@asynccontextmanager
async def watched(engine: ScriptedEngine | None = None) -> AsyncIterator[Watched]:
    clock = Clock()
    async with open_context(engine or stuck_on_finals(), SETTINGS, clock=clock) as context:
        yield Watched(context, clock)


async def messages_of(peer: Peer, code: str) -> list[Message]:
    """Return the messages up to a warning of that code."""
    messages = [await peer.receive()]
    while messages[-1].get("code") != code:
        messages.append(await peer.receive())
    return messages


def warned(messages: Sequence[Message]) -> list[object]:
    return [message["code"] for message in messages if message["type"] == "warning"]


async def test_every_session_is_warned_of_each_step_and_the_end() -> None:
    async with watched() as gateway, call(gateway.context) as behind:
        await behind.send(START)
        assert await gateway.play(7.0, behind) is Step.FILES_PAUSED
        await messages_of(behind, "files_paused")
        async with call(gateway.context) as late:
            await late.send(START)
            assert warned(await messages_of(late, "files_paused")) == ["files_paused"]
            await behind.hang_up()
            assert await gateway.observe(3) is Step.NORMAL
            assert warned(await messages_of(late, "overload_over")) == ["overload_over"]
    assert gateway.context.overload.entered == {Step.PARTIALS_OFF: 1, Step.FILES_PAUSED: 1, Step.NORMAL: 1}


async def test_partials_stop_for_all_and_return_when_finals_have_caught_up() -> None:
    engine = GatedEngine()
    engine.gate = anyio.Event()
    async with watched(engine) as gateway, call(gateway.context) as first, call(gateway.context) as second:
        await first.send(START)
        await second.send(START)
        assert await gateway.play(5.0, first, second) is Step.PARTIALS_OFF
        await second.send(speech(2.0))
        engine.gate.set()
        await settled()
        assert RequestKind.PARTIAL not in [each.kind for each in engine.asked[1:]]
        assert await gateway.observe(3) is Step.NORMAL
        await messages_of(second, "overload_over")
        await second.send(speech(1.0))
        assert (await second.receive_until("cue"))[-1]["state"] == "partial"


async def test_files_wait_and_uploads_are_refused_until_sessions_have_caught_up() -> None:
    engine = GatedEngine()
    engine.gate = anyio.Event()
    async with watched(engine) as gateway, call(gateway.context) as behind:
        overload, answered = gateway.context.overload, list[object]()
        await behind.send(START)
        await gateway.play(7.0, behind)
        with pytest.raises(FilesPaused, match="live sessions are behind"):
            overload.check_files()
        gateway.context.scheduler.submit(request(session="file", kind=RequestKind.FILE), answered.append)
        engine.gate.set()
        await settled()
        assert not answered
        assert await gateway.observe(3) is Step.NORMAL
        assert len(answered) == 1
        overload.check_files()


async def test_no_session_is_admitted_while_finals_are_late() -> None:
    async with watched() as gateway, call(gateway.context) as behind:
        await behind.send(START)
        assert gateway.context.overload.free(1) is None
        assert await gateway.play(9.0, behind) is Step.SESSIONS_REFUSED
        assert gateway.context.overload.free(1) == 0


async def test_the_session_furthest_behind_ends_after_a_warning_and_no_other() -> None:
    async with watched() as gateway, call(gateway.context) as first, call(gateway.context) as second:
        await first.send(START)
        await second.send(START)
        await gateway.play(3.0, second)
        assert await gateway.play(31.0, first, second) is Step.SHEDDING
        await messages_of(second, "lagging")
        await gateway.observe(8)
        assert gateway.context.overload.shed == 0
        await gateway.observe()
        error = (await second.receive_until("error"))[-1]
        assert (error["code"], error["fatal"]) == ("lagging", True)
        assert gateway.context.overload.shed == 1
        assert [session.accepts_audio for session in gateway.context.live] == [True, False]


async def test_a_warned_session_that_catches_up_stays() -> None:
    async with watched() as gateway, call(gateway.context) as first, call(gateway.context) as second:
        await first.send(START)
        await second.send(START)
        assert await gateway.play(31.0, first, second) is Step.SHEDDING
        await first.hang_up()
        await second.hang_up()
        await gateway.observe(12)
        assert (gateway.context.overload.step, gateway.context.overload.shed) == (Step.NORMAL, 0)


async def test_recordings_and_clients_that_left_are_no_overload() -> None:
    async with watched() as gateway, call(gateway.context) as recording:
        await recording.send({**START, "file": True})
        assert await gateway.play(20.0, recording) is Step.NORMAL


async def test_a_client_that_sends_ahead_of_real_time_is_no_overload() -> None:
    async with watched() as gateway, call(gateway.context) as ahead:
        await ahead.send(START, UTTERANCE, silence(20.0))
        assert await gateway.observe(8) is Step.NORMAL


async def test_the_cost_of_a_stream_is_measured_from_its_audio_and_the_engine_time() -> None:
    clock = Clock()

    class Timed(ScriptedEngine):
        async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
            clock.now_s += 0.3
            return await super().decode(batch)

    async with open_context(Timed(), SETTINGS, clock=clock) as context, call(context) as peer:
        await peer.send({"type": "start", "partials": False})
        context.overload.observe(context.scheduler, context.live)
        for _ in range(20):
            await peer.send(UTTERANCE)
            await settled()
            clock.now_s += 1.0
            context.overload.observe(context.scheduler, context.live)
        spent_s, audio_s = context.scheduler.statistics.busy_s, 20 * 2.7
        assert spent_s > 5
        assert context.overload.load(1) == pytest.approx(spent_s / audio_s, rel=0.1)
