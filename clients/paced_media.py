"""Audio from files: any container that PyAV opens, decoded for the gateway, at any speed."""

import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import anyio
from anyio import to_thread

from gateway.wire import SAMPLE_RATE_HZ, AudioFormat, Encoding
from vad.media_file import Media, MediaError, MediaTooLong

__all__ = ["MEDIA_FORMAT", "MediaError", "MediaFile", "MediaTooLong", "paced"]

MEDIA_FORMAT = AudioFormat(Encoding.PCM_S16LE, SAMPLE_RATE_HZ, 1)
"""The format that media files are decoded to."""

_FRAME_S = 0.1
"""Audio in one message, as is usual for live clients."""


class MediaFile:
    """An audio track of a file.

    Args:
        source: its path, or `-` for standard input.
        track: its number, from 1; None: the default track of the file.
        max_duration_s: maximum length of the audio; None: unlimited.

    Raises:
        MediaError: it cannot be opened, or has no audio, or no such track.
        MediaTooLong: its header declares a length above `max_duration_s`.
    """

    def __init__(self, source: str, track: int | None = None, max_duration_s: float | None = None) -> None:
        with ExitStack() as opened:
            file = sys.stdin.buffer if source == "-" else opened.enter_context(_open(source))
            self._media = opened.enter_context(Media(file, source, max_duration_s, track=track))
            self._opened = opened.pop_all()

    @property
    def broken_packets(self) -> int:
        """Number of packets that could not be decoded and were skipped."""
        return self._media.broken_packets

    @property
    def duration_s(self) -> float | None:
        """Duration in seconds that the container states; None if it does not."""
        return self._media.duration_s

    def __enter__(self) -> "MediaFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()

    def frames(self) -> Iterator[bytes]:
        """Yield the audio in `MEDIA_FORMAT`, 100 ms at a time; the last frame may be shorter.

        Broken packets are skipped and counted in `broken_packets`.

        Raises:
            MediaError: all packets are broken.
            MediaTooLong: the audio exceeds the maximum length.
        """
        return self._media.blocks(_FRAME_S)


def _open(source: str) -> BinaryIO:
    if not Path(source).is_file():
        raise MediaError(f"{source}: no such file")
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise MediaError(f"{source}: cannot be opened ({error.strerror})") from error


async def paced(frames: Iterator[bytes], speed: float | None) -> AsyncIterator[bytes]:
    """Yield frames when they are due, decoding them off the event loop.

    Args:
        frames: of 100 ms each.
        speed: multiple of real time; None: as fast as they are consumed. At speed 1, frame k is due k times 0.1 s after
            the first, whenever the one before was consumed, so a stall does not delay the rest of the stream.
    """
    begin_s = time.monotonic()
    count = 0
    while (frame := await to_thread.run_sync(next, frames, None)) is not None:
        if speed is not None:
            await anyio.sleep(max(0.0, begin_s + count * _FRAME_S / speed - time.monotonic()))
        count += 1
        yield frame
