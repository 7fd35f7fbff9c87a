"""Sound from files: any container PyAV opens, decoded to what a gateway takes, at any pace."""

import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType

import anyio
import av
from anyio import to_thread
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError

from gateway.wire import SAMPLE_RATE_HZ, AudioFormat, Encoding, LivecueError

__all__ = ["MEDIA_FORMAT", "MediaError", "MediaFile", "paced"]

MEDIA_FORMAT = AudioFormat(Encoding.PCM_S16LE, SAMPLE_RATE_HZ, 1)
"""What a media file is decoded to."""

_DEMUXERS = "aac,aiff,amr,asf,au,avi,caf,flac,matroska,mov,mp3,mpegts,ogg,w64,wav"
"""Containers that hold sound themselves. Playlists and scripts (`hls`, `concat`) open other files: they stay out."""

_FRAME_S = 0.1
"""Sound in one message: the usual of live clients."""

_FRAME_BYTES = round(SAMPLE_RATE_HZ * _FRAME_S) * MEDIA_FORMAT.bytes_per_sample_frame


class MediaError(LivecueError):
    """The file holds no sound that can be decoded."""

    code = "invalid_media"


class MediaFile:
    """The first sound track of a file.

    Args:
        source: its path, or `-` for standard input.

    Raises:
        MediaError: it cannot be opened, or has no sound.
    """

    def __init__(self, source: str) -> None:
        self.broken_packets = 0
        """Pieces that could not be decoded and were left out."""
        self._source = source
        if source != "-" and not Path(source).is_file():
            raise MediaError(f"{source}: there is no such file")
        try:
            file = sys.stdin.buffer if source == "-" else source
            container = av.open(file, options={"format_whitelist": _DEMUXERS})
        except (FFmpegError, ValueError) as error:
            raise MediaError(f"{source}: not a sound or video file that can be read ({error})") from error
        assert isinstance(container, InputContainer)
        self._container = container
        if not container.streams.audio:
            container.close()
            raise MediaError(f"{source}: it has no sound track")

    @property
    def duration_s(self) -> float | None:
        """Length in seconds as the container claims it; None where it does not say."""
        duration = self._container.duration
        return duration / av.time_base if duration and duration > 0 else None

    def __enter__(self) -> "MediaFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._container.close()

    def frames(self) -> Iterator[bytes]:
        """Yield the sound in `MEDIA_FORMAT`, 100 ms at a time; the last piece may be shorter.

        What is broken in between is left out and counted in `broken_packets`.

        Raises:
            MediaError: all of it is broken.
        """
        pending = bytearray()
        for block in self._blocks():
            pending += block
            while len(pending) >= _FRAME_BYTES:
                yield bytes(pending[:_FRAME_BYTES])
                del pending[:_FRAME_BYTES]
        if pending:
            yield bytes(pending)

    def _blocks(self) -> Iterator[bytes]:
        resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
        has_sound = False
        for frame in self._decoded():
            has_sound = True
            for resampled in resampler.resample(frame):
                yield resampled.to_ndarray().tobytes()
        if not has_sound and self.broken_packets:
            raise MediaError(f"{self._source}: its sound is broken, all {self.broken_packets} packets of it")
        for resampled in resampler.resample(None) if has_sound else ():
            yield resampled.to_ndarray().tobytes()

    def _decoded(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(audio=0)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                yield from (frame for frame in packet.decode() if isinstance(frame, AudioFrame))
            except InvalidDataError:
                self.broken_packets += 1
            except FFmpegError as error:
                raise MediaError(f"{self._source}: it cannot be read on ({error})") from error


async def paced(frames: Iterator[bytes], speed: float | None) -> AsyncIterator[bytes]:
    """Yield frames when they are due, decoding them off the event loop.

    Args:
        frames: pieces of 100 ms.
        speed: times real time; None: as fast as they are taken. Frame k is due k times 0.1 s after the first at speed
            1, whenever the one before was taken, so a stall does not slow the whole stream down.
    """
    begin_s = time.monotonic()
    count = 0
    while (frame := await to_thread.run_sync(next, frames, None)) is not None:
        if speed is not None:
            await anyio.sleep(max(0.0, begin_s + count * _FRAME_S / speed - time.monotonic()))
        count += 1
        yield frame
