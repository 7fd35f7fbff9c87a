"""Writes audio to a FLAC file as it arrives; whatever was written is readable, even after a crash."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError

from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["FlacWriter"]

_UNBUFFERED = {"fflags": "+flush_packets"}
"""FFmpeg would buffer 32 kB, which is seconds of speech."""

_FULL_SCALE = 1 << 15
"""1.0 in int16."""


class FlacWriter:
    """A FLAC file of mono 16 kHz 16-bit audio, readable by its owner only. All methods block, and raise `OSError`.

    Each FLAC frame (0.3 s) is written to the file as soon as it is full, so a killed process loses no earlier audio.
    Only `close` writes the length into the header; without it, readers find the end themselves.

    Args:
        path: of the file, which must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b", buffering=0)
        self._container: OutputContainer = av.open(self._file, "w", format="flac", container_options=_UNBUFFERED)
        self._stream: AudioStream = self._container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono", format="s16")
        self._next_sample = 0

    def write(self, samples: Float32) -> None:
        """Append float32[n] in [-1, 1], mono 16 kHz."""
        if not len(samples):
            return
        pcm = np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, self._next_sample
        self._next_sample += len(pcm)
        with _as_os_errors():
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write the buffered audio and the length; a second call does nothing."""
        if self._file.closed:
            return
        try:
            with _as_os_errors():
                self._container.mux(self._stream.encode(None) if self._next_sample else [])
                self._container.close()
        finally:
            self._file.close()


@contextmanager
def _as_os_errors() -> Iterator[None]:
    try:
        yield
    except FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error
