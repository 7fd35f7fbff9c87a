"""SRT by the command `ffmpeg`: PyAV's wheels are built without it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from clients.sources.errors import SourceRefused

__all__ = ["srt_stream"]

_FFMPEG = "ffmpeg"


@contextmanager
def srt_stream(url: str, timeout_s: float) -> Iterator[IO[bytes]]:
    """Receive a stream while the block lasts, and yield it as MPEG-TS with its own timestamps.

    Args:
        url: `srt://ADDRESS:PORT?…`.
        timeout_s: without a packet for so long, the stream ends.

    Raises:
        SourceRefused: there is no `ffmpeg`.
    """
    program = shutil.which(_FFMPEG)
    if program is None:
        raise SourceRefused(f"SRT needs the command {_FFMPEG}, with SRT in its build: it is not installed")
    limits = ("-protocol_whitelist", "srt,udp", "-timeout", str(round(timeout_s * 1e6)), "-analyzeduration", "2000000")
    copied = ("-map", "0:a", "-c", "copy", "-copyts", "-muxdelay", "0", "-flush_packets", "1", "-f", "mpegts", "pipe:1")
    command = [program, "-nostdin", "-loglevel", "quiet", *limits, "-f", "mpegts", "-i", url, *copied]
    # without a buffer, whose reads would wait until it is full
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0) as process:  # noqa: S603
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()
