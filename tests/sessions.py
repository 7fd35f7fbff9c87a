"""Whole sessions in memory, over `memory_pair`, with a scripted engine and a detector of loudness.

The clock stands still, so latencies are the same at every run; `settled` lets all tasks run until they wait.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

import anyio
import numpy as np
from anyio.abc import ObjectStream
from anyio.lowlevel import checkpoint

from decoder.engine import Engine
from decoder.engines.scripted import ScriptedEngine, spoken_count
from decoder.scheduler import Scheduler
from decoder.settings import GuardSettings, PlannerSettings, SchedulerSettings, StabiliserSettings
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, RequestKind
from gateway.delivery.broadcast import Broadcaster, SessionInfo
from gateway.journal.journal import Journal
from gateway.metrics import Metrics
from gateway.session.audio_intake import Charge
from gateway.session.connection import Connection
from gateway.session.context import SessionContext
from gateway.session.stage_options import PipelineSettings
from gateway.settings import SessionSettings
from gateway.transport import MemoryTransport, memory_pair
from gateway.wire import Codec
from gateway.wire.native.codec import NativeCodec
from tests import audio
from vad.audio import Float32
from vad.detector import DETECTORS
from vad.settings import SegmenterSettings

__all__ = [
    "SEGMENTER",
    "SETTINGS",
    "Message",
    "Peer",
    "ShortEngine",
    "call",
    "failing_finals",
    "open_context",
    "pcm",
    "sessions_open",
    "settled",
    "silence",
    "speech",
    "stuck_on_finals",
]

Message = dict[str, object]
"""A message of the gateway, from JSON."""

SEGMENTER = SegmenterSettings(pause_ms=200, silence_ms=500, pad_before_ms=300)
"""Short silences make short tests; the tested behaviour does not depend on their length."""

SETTINGS = SessionSettings(detector="loudness")

ANONYMOUS = SessionInfo("native", None, 0.0)

_LOUD = 0.05

_TURNS = 32
"""Turns of the event loop that a message needs for its whole path, so `wait_all_tasks_blocked` need not sleep."""


class LoudnessDetector:
    """Detects loud windows as speech."""

    window_samples = 512

    def probabilities(self, windows: Float32) -> Float32:
        """Return 1 for each loud window, 0 for the others."""
        peaks: Float32 = np.max(np.abs(windows), axis=1, initial=0.0)
        return (peaks > _LOUD).astype(np.float32)


class ShortEngine(ScriptedEngine):
    """Omits the answer to the last request of a batch."""

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return all answers but the last."""
        return (await super().decode(batch))[:-1]


def failing_finals(request: DecodeRequest) -> Hypothesis | EngineError:
    """Count aloud in partials, and fail in finals, eager ones included."""
    return EngineFailed("the script says so") if request.kind is not RequestKind.PARTIAL else spoken_count(request)


def stuck_on_finals() -> ScriptedEngine:
    """Return an engine that decodes partials at once and finals never."""

    class Stuck(ScriptedEngine):
        async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
            if any(request.kind is not RequestKind.PARTIAL for request in batch):
                await anyio.sleep_forever()
            return await super().decode(batch)

    return Stuck()


def pcm(samples: Float32) -> bytes:
    """Return samples in the native dialect's default format: 16 bits, little-endian."""
    return np.round(samples * 32767).astype("<i2").tobytes()


def speech(duration_s: float) -> bytes:
    """Return a tone that the loudness detector takes for speech, in the default format."""
    return pcm(audio.tone(duration_s))


def silence(duration_s: float) -> bytes:
    """Return silence, in the default format."""
    return pcm(audio.silence(duration_s))


@asynccontextmanager
async def open_context(
    engine: Engine | None = None,
    session: SessionSettings = SETTINGS,
    scheduler: SchedulerSettings | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    journal: Journal | None = None,
) -> AsyncIterator[SessionContext]:
    """Run an engine's scheduler while the block lasts, and yield the context of sessions.

    Args:
        engine: default: counts aloud, at no cost.
        session: default: those of a gateway, with the loudness detector.
        scheduler: default: those of a gateway.
        clock: default: stands still.
        journal: default: none.
    """
    engine = engine or ScriptedEngine()
    driver = Scheduler(engine, PlannerSettings(), scheduler or SchedulerSettings(), clock)
    settings = PipelineSettings(SEGMENTER, StabiliserSettings(), GuardSettings(), session)
    with patch.dict(DETECTORS, loudness="tests.sessions:LoudnessDetector"):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(driver.run)
            broadcaster = Broadcaster()
            metrics = Metrics(driver, broadcaster)
            yield SessionContext(driver, engine.info, settings, metrics, clock, tasks, journal, None, broadcaster)
            tasks.cancel_scope.cancel()


@dataclass
class Peer:
    """The client's end of one session.

    Attributes:
        connection: at the other end.
        transport: the gateway's end of the connection.
        is_over: whether `Connection.run` has returned.
    """

    connection: Connection
    transport: MemoryTransport
    stream: ObjectStream[str | bytes]
    is_over: anyio.Event = field(default_factory=anyio.Event)

    async def send(self, *messages: Mapping[str, object] | str | bytes) -> None:
        """Send messages; a mapping as JSON, bytes as audio."""
        for message in messages:
            await self.stream.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def receive(self) -> Message:
        """Return the gateway's next message."""
        text = await self.stream.receive()
        message: Message = json.loads(text)
        return message

    async def receive_until(self, kind: str) -> list[Message]:
        """Return the gateway's messages up to the first of a kind."""
        messages = [await self.receive()]
        while messages[-1]["type"] != kind:
            messages.append(await self.receive())
        return messages

    async def receive_all(self) -> list[Message]:
        """Return the gateway's messages up to the close."""
        messages: list[Message] = []
        with anyio.move_on_after(10) as scope:
            while True:
                try:
                    messages.append(await self.receive())
                except anyio.EndOfStream:
                    break
        assert not scope.cancelled_caught, f"no close after {messages}"
        await self.is_over.wait()
        return messages

    async def hang_up(self) -> None:
        """Cut the connection, and wait until the gateway has noticed."""
        await self.stream.aclose()
        await self.is_over.wait()


@asynccontextmanager
async def call(
    context: SessionContext,
    codec: Codec | None = None,
    charge: Charge = lambda audio_s: None,
    subject: SessionInfo = ANONYMOUS,
) -> AsyncIterator[Peer]:
    """Run a session while the block lasts; at its end the connection is cut if it is still there.

    Args:
        context: of the session.
        codec: of another dialect than the native one.
        charge: charges the client.
        subject: metadata of the session.
    """
    transport, stream = memory_pair()
    peer = Peer(Connection(transport, codec or NativeCodec(), context, charge, subject), transport, stream)

    async def run() -> None:
        await peer.connection.run()
        peer.is_over.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        try:
            yield peer
        finally:
            await stream.aclose()


async def settled() -> None:
    """Wait until every other task waits."""
    for _ in range(_TURNS):
        await checkpoint()
    await anyio.wait_all_tasks_blocked()


def sessions_open(context: SessionContext) -> int:
    """Return the number of open sessions in the metrics."""
    gauge = next(
        line for line in context.metrics.exposition().decode().splitlines() if line.startswith("livecue_sessions ")
    )
    return round(float(gauge.split()[1]))
