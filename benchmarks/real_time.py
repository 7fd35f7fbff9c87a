"""Streams in real time against a gateway in this process."""

import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import anyio

from clients.stream import SessionFailed, stream
from decoder.engine import Engine
from gateway.runtime import open_sessions
from gateway.session.connection import Connection
from gateway.settings import Settings
from gateway.transport import memory_pair
from gateway.wire import ServerEvent, Start
from gateway.wire.native.codec import NativeCodec

__all__ = ["Load", "play"]

FRAME_S = 0.1


@dataclass(slots=True)
class Load:
    """The load of concurrent streams on the machine.

    Attributes:
        audio_s: played, of all streams.
        cpu_s: CPU time of this process.
        late_s: delay of the latest frame sent.
        failed: streams that the gateway ended.
        others_cores: cores busy with other processes; None if unknown.
    """

    audio_s: float = 0.0
    cpu_s: float = 0.0
    late_s: float = 0.0
    failed: int = 0
    others_cores: float | None = None


async def play(
    engine: Engine,
    settings: Settings,
    start: Start,
    streams: Sequence[bytes],
    note: Callable[[int, ServerEvent, float], None],
    is_enough: Callable[[], bool] = lambda: False,
) -> Load:
    """Stream all audio concurrently in real time, the starts spread over one partial interval.

    Args:
        engine: cold.
        settings: of the gateway.
        start: options of each stream.
        streams: the audio of each, in the format of `start`.
        note: called with the stream's number, each event, and its time of arrival since the stream's first sample.
        is_enough: checked after each event; once it returns true, all streams are abandoned.
    """
    paces = [_Pace(audio, start) for audio in streams]
    interval_ms = start.endpointing.partial_interval_ms or settings.segmenter.progress_interval_ms
    load = Load()

    async with open_sessions(settings, engine) as sessions, anyio.create_task_group() as tasks:

        async def one(number: int, scope: anyio.CancelScope) -> None:
            transport, peer = memory_pair()
            tasks.start_soon(Connection(transport, NativeCodec(), sessions).run)
            pace = paces[number]
            pace.begin_s = began_s + number * interval_ms / 1000 / len(streams)

            def take(event: ServerEvent) -> None:
                note(number, event, pace.now_s)
                if is_enough():
                    scope.cancel()

            try:
                async with peer:
                    await stream(lambda: nullcontext(peer), start, pace.frames(), take)
            except SessionFailed:
                load.failed += 1

        began_s, began_cpu_s, began_busy_s = time.monotonic(), time.process_time(), _busy_s()
        async with anyio.create_task_group() as playing:
            for number in range(len(streams)):
                playing.start_soon(one, number, playing.cancel_scope)
        load.cpu_s = time.process_time() - began_cpu_s
        if began_busy_s is not None:
            others_s = (_busy_s() or 0.0) - began_busy_s - load.cpu_s
            load.others_cores = max(0.0, others_s) / (time.monotonic() - began_s)
        tasks.cancel_scope.cancel()

    load.audio_s = sum(pace.sent_s for pace in paces)
    load.late_s = max(pace.late_s for pace in paces)
    return load


def _busy_s() -> float | None:
    """Return the CPU time of all processes since the machine started; None if unknown."""
    stat = Path("/proc/stat")
    if not stat.is_file():
        return None
    user, nice, system, _idle, _iowait, irq, softirq = map(int, stat.read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


class _Pace:
    """Sends the frames of one stream, each at the time of its last sample, whenever the one before was consumed."""

    def __init__(self, audio: bytes, start: Start) -> None:
        self.begin_s = 0.0
        self.late_s = 0.0
        self.sent_s = 0.0
        self._audio = audio
        bytes_per_second = start.audio.sample_rate_hz * start.audio.bytes_per_sample_frame
        self._frame_bytes = round(bytes_per_second * FRAME_S)

    @property
    def now_s(self) -> float:
        """Time since the stream's first sample."""
        return time.monotonic() - self.begin_s

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield the frames when they are due."""
        for number in range(len(self._audio) // self._frame_bytes):
            due_s = (number + 1) * FRAME_S
            await anyio.sleep(max(0.0, due_s - self.now_s))
            self.late_s = max(self.late_s, self.now_s - due_s)
            self.sent_s = due_s
            yield self._audio[number * self._frame_bytes : (number + 1) * self._frame_bytes]
