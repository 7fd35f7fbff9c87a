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

__all__ = ["BYTES_PER_SAMPLE", "Frame", "FrameQueue", "duration_s", "frames_of", "pace"]

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


async def pace(frames: Iterator[Frame], begin_s: float, queue: FrameQueue, pacing: Pacing) -> None:
    """Queue each frame when it is due.

    Args:
        frames: of the stream.
        begin_s: time of the event loop's clock at which the audio began.
        queue: takes them.
        pacing: takes the lateness of each.
    """
    for frame in frames:
        due_s = begin_s + frame.due_s
        await anyio.sleep_until(due_s)
        now_s = anyio.current_time()
        pacing.late_s.append(max(0.0, now_s - due_s))
        queue.put(frame, now_s)
    queue.end()
