"""Open-loop pacing: every frame is queued at an absolute time, whatever became of those before it.

A pacer that waits for its server measures too little: a server that stops reading for a second also stops the clock,
and the words of that second look as if they had been spoken later ("coordinated omission", Gil Tene). So one task
captures, at due times that are fixed when the audio begins, and another one sends.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import anyio

from clients.bench.trace import Pacing

__all__ = ["BYTES_PER_SAMPLE", "Capture", "Frame", "FrameQueue", "duration_s", "frames_of"]

BYTES_PER_SAMPLE = 2
"""Of the only encoding of drivers, mono `pcm_s16le`."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The audio of one message.

    Attributes:
        pcm: s16le, mono.
        start_s: of its first sample, since the audio began.
        due_s: when its last sample has been captured, since the audio began.
    """

    pcm: bytes
    start_s: float
    due_s: float


def duration_s(pcm: bytes, sample_rate_hz: int) -> float:
    """Return the length of mono s16le audio."""
    return len(pcm) / (BYTES_PER_SAMPLE * sample_rate_hz)


def frames_of(pcm: bytes, sample_rate_hz: int, frame_s: float) -> Iterator[Frame]:
    """Yield audio frame by frame; the last one may be shorter.

    Args:
        pcm: s16le, mono, whole samples.
        sample_rate_hz: of the audio.
        frame_s: audio in a frame, at least one sample.
    """
    frame_bytes = BYTES_PER_SAMPLE * max(1, round(frame_s * sample_rate_hz))
    bytes_per_s = BYTES_PER_SAMPLE * sample_rate_hz
    for start in range(0, len(pcm), frame_bytes):
        piece = pcm[start : start + frame_bytes]
        yield Frame(piece, start / bytes_per_s, (start + len(piece)) / bytes_per_s)


class FrameQueue:
    """Frames that were captured and are not yet sent: at most those of the stream, which its audio bounds."""

    def __init__(self) -> None:
        self._frames: deque[tuple[Frame, float]] = deque()
        self._changed = anyio.Event()
        self._is_woken = False
        self._has_ended = False

    def put(self, frame: Frame, at_s: float) -> None:
        """Queue a frame, captured at a time of the event loop's clock."""
        self._frames.append((frame, at_s))
        self._changed.set()

    def end(self) -> None:
        """Note that no frame follows."""
        self._has_ended = True
        self.wake()

    def wake(self) -> None:
        """Let `take` return without a frame."""
        self._is_woken = True
        self._changed.set()

    @property
    def is_over(self) -> bool:
        """Whether the last frame has been taken."""
        return self._has_ended and not self._frames

    async def take(self) -> tuple[Frame, float] | None:
        """Wait for the next frame; return it and the time at which it was queued, or None: woken, as by the end."""
        while not self._frames and not self._is_woken:
            self._changed = anyio.Event()
            await self._changed.wait()
        self._is_woken = False
        return self._frames.popleft() if self._frames else None


class Capture:
    """Captures the audio of a stream, as a microphone does: from `begin` on, until its end or `leave`.

    Args:
        pcm: s16le, mono.
        sample_rate_hz: of the audio.
        frame_s: audio in a frame.
        pacing: takes the lateness of each frame.
    """

    def __init__(self, pcm: bytes, sample_rate_hz: int, frame_s: float, pacing: Pacing) -> None:
        self.queue = FrameQueue()
        """Takes the frames."""
        self.audio_s = duration_s(pcm, sample_rate_hz)
        """Length of the audio; once it has left, what was captured."""
        self.position_s = 0.0
        """Captured so far."""
        self._frames = frames_of(pcm, sample_rate_hz, frame_s)
        self._pacing = pacing
        self._begin_s = 0.0
        self._begun = anyio.Event()
        self._leaving = anyio.Event()

    @property
    def has_left(self) -> bool:
        """Whether `leave` was called."""
        return self._leaving.is_set()

    def begin(self, at_s: float) -> None:
        """Begin at a time of the event loop's clock; do nothing if it has begun."""
        if not self._begun.is_set():
            self._begin_s = at_s
            self._begun.set()

    def leave(self) -> None:
        """End the audio now."""
        self._leaving.set()

    async def begun(self) -> None:
        """Wait until it begins."""
        await self._begun.wait()

    async def left(self) -> None:
        """Wait until it leaves."""
        await self._leaving.wait()

    async def run(self) -> None:
        """Queue each frame when it is due, whatever became of those before."""
        await self._begun.wait()
        for frame in self._frames:
            due_s = self._begin_s + frame.due_s
            with anyio.move_on_at(due_s):
                await self._leaving.wait()
            if self._leaving.is_set():
                self.audio_s = self.position_s
                break
            now_s = anyio.current_time()
            self._pacing.late_s.append(max(0.0, now_s - due_s))
            self.position_s = frame.due_s
            self.queue.put(frame, now_s)
        self.queue.end()
