"""A scripted gateway: one session over any number of in-memory connections, each cut where the test requires."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio
from anyio.streams.stapled import StapledObjectStream

from clients.connection import Connection, ConnectionFailed
from clients.reconnect import BackOff
from gateway.wire import (
    Ack,
    Audio,
    AudioFormat,
    ClientEvent,
    Cue,
    CueEvent,
    CueState,
    Error,
    Final,
    Finished,
    Flush,
    Flushed,
    Latency,
    Ready,
    Resume,
    SessionEvent,
    Start,
    Stop,
)
from gateway.wire.native.codec import NativeCodec

__all__ = ["PlayedGateway", "at_once", "played_connection", "unreachable"]

UTTERANCE_FRAMES = 1_000
"""Length of every utterance."""

REWIND_FRAMES = 600
"""A restarted gateway rewinds by that much before the last answered sample."""


class _Cut(Exception):
    """The connection is lost here."""


def at_once() -> BackOff:
    """Return a back-off that takes no time, with a clock that sums the waits."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await anyio.lowlevel.checkpoint()

    return BackOff(sleep=sleep, clock=lambda: sum(waits), jitter=lambda: 0.0)


def played_connection(size: int = 100) -> tuple[Connection, Connection]:
    """Return the client's and the gateway's end of a connection that buffers that many messages."""
    out_send, out_receive = anyio.create_memory_object_stream[str | bytes](size)
    in_send, in_receive = anyio.create_memory_object_stream[str | bytes](size)
    return StapledObjectStream(out_send, in_receive), StapledObjectStream(in_send, out_receive)


@dataclass
class PlayedGateway:
    """Answers every thousand sample frames with a cue and a final, every flush, and the stop.

    Attributes:
        audio: format of the audio.
        cuts: number of messages, in both directions together, after which each connection is lost; later ones stay.
        restarts: whether the gateway restarts after each cut: it rewinds, repeats its events since the last ack, and
            its sequence numbers jump.
        token: of the session; None: not resumable.
        refuses: returns the refusal of a resume; None: it is accepted.
    """

    audio: AudioFormat
    cuts: list[int] = field(default_factory=list)
    restarts: bool = False
    token: str | None = "t"
    refuses: Callable[[Resume], Error | None] = lambda _: None
    decoded: bytearray = field(default_factory=bytearray)
    flushes: dict[str, set[int]] = field(default_factory=dict)
    resumes: list[Resume] = field(default_factory=list)
    starts: int = 0
    has_stopped: bool = False
    _log: list[SessionEvent] = field(default_factory=list)
    _seq: int = 0
    _finals: int = 0
    _messages: int = 0

    @property
    def frames(self) -> int:
        """Whole sample frames that have been decoded."""
        return len(self.decoded) // self.audio.bytes_per_sample_frame

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Connect to it, for as long as the block lasts."""
        client, peer = played_connection(4)
        async with client, peer, anyio.create_task_group() as tasks:
            tasks.start_soon(self._serve, peer, self.cuts.pop(0) if self.cuts else None)
            yield client
            tasks.cancel_scope.cancel()

    async def _serve(self, peer: Connection, cut: int | None) -> None:
        codec, self._messages = NativeCodec(), 0
        try:
            while True:
                message = await peer.receive()
                self._count(cut)
                for event in codec.receive(message):
                    for answer in self._answers(event):
                        self._count(cut)
                        await peer.send(codec.send(answer)[0])
                        if isinstance(answer, Finished) or (isinstance(answer, Error) and answer.fatal):
                            return
        except (_Cut, anyio.EndOfStream, anyio.BrokenResourceError):
            del self.decoded[self.frames * self.audio.bytes_per_sample_frame :]
        finally:
            await peer.aclose()

    def _count(self, cut: int | None) -> None:
        if self._messages == cut:
            raise _Cut
        self._messages += 1

    # --- the session ---------------------------------------------------------------------------------------------

    def _answers(self, event: ClientEvent) -> list[SessionEvent]:
        before = len(self._log)
        match event:
            case Start():
                assert self.token is not None or not self.starts, "nothing to resume"
                self.starts += 1
                self.decoded.clear()
                self._log, self._seq, self._finals, before = [], 0, 0, 0
                self._emit(Ready(0, f"s{self.starts}", "played", "m", "d", None, self.token))
            case Resume():
                self.resumes.append(event)
                return self._resumed(event)
            case Audio(data):
                self.decoded += data
                self._answer_audio()
            case Flush(flush_id):
                self.flushes.setdefault(flush_id, set()).add(len(self.decoded))
                self._emit(Flushed(0, flush_id))
            case Stop():
                self.has_stopped = True
                self._emit(Finished(0, self.frames, self._finals))
            case _:
                raise AssertionError(event)
        return self._log[before:]

    def _resumed(self, event: Resume) -> list[SessionEvent]:
        if (refusal := self.refuses(event)) is not None:
            return [refusal]
        next_sample = self.frames
        if self.restarts and not any(isinstance(logged, Finished) for logged in self._log):
            next_sample = self._restart()
        next_sample = max(next_sample, event.held_sample)
        frame_bytes = self.audio.bytes_per_sample_frame
        self.decoded += bytes(next_sample * frame_bytes - len(self.decoded))
        ready = Ready(event.after_seq, f"s{self.starts}", "played", "m", "d", None, self.token, next_sample)
        return [ready, *(logged for logged in self._log if logged.seq > event.after_seq)]

    def _restart(self) -> int:
        """Forget the events since the second newest final, and rewind before its audio."""
        self._finals = max(0, self._finals - 1)
        kept = self._finals * UTTERANCE_FRAMES
        del self.decoded[max(0, kept - REWIND_FRAMES) * self.audio.bytes_per_sample_frame :]
        self._log = [event for event in self._log if not isinstance(event, Final) or event.utterance_id < self._finals]
        self._seq += 100
        return self.frames

    def _answer_audio(self) -> None:
        while self.frames >= (self._finals + 1) * UTTERANCE_FRAMES:
            number = self._finals
            start, end = number * UTTERANCE_FRAMES, (number + 1) * UTTERANCE_FRAMES
            self._finals += 1
            cue = Cue(f"{number}.1", number, 1, start, end, (f"words {number}",), 5, CueState.FINAL)
            self._emit(CueEvent(0, cue))
            self._emit(Final(0, number, start, end, f"words {number}", None, Latency(0, 0, 0, 0)))
            self._emit(Ack(0, self.frames, end))

    def _emit(self, event: SessionEvent) -> None:
        self._seq += 1
        self._log.append(replace(event, seq=self._seq))


@asynccontextmanager
async def unreachable(message: str = "unreachable", status: int | None = None) -> AsyncIterator[Connection]:
    """Fail to connect."""
    if message:
        raise ConnectionFailed(message, status)
    yield played_connection()[0]
