"""The process that decodes one untrusted file: the file on stdin, its audio on stdout, a report on stderr.

The audio of a live stream is written in pieces, each after a `PIECE_HEADER`. A process is started for every file, so
it imports nothing slow. Once it has begun, it can only read that file, compute, and write its output.
`gateway.media.sandboxed_decoder` starts it.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from struct import Struct
from typing import BinaryIO, cast

from vad.media_file import MEDIA_BYTES_PER_SAMPLE, MEDIA_RATE_HZ, Media, MediaError, MediaTooLong, NoSuchTrack

__all__ = ["BLOCK_S", "PIECE_HEADER", "Outcome", "Report"]

BLOCK_S = 0.5
"""Audio in one block: long enough for few blocks, short enough for the first to come soon."""

PIECE_HEADER = Struct("<QI")
"""Before each piece of a live stream's audio: bytes of the stream decoded so far, and bytes of the piece."""

_MAX_PIECE_BYTES = round(BLOCK_S * MEDIA_RATE_HZ) * MEDIA_BYTES_PER_SAMPLE

_OPEN_FILES = 3
"""The standard streams. The process can open no other file or socket."""

_NICENESS = 10
"""Live audio has priority over files."""


class Outcome(StrEnum):
    """How decoding ended."""

    ENDED = "ended"
    UNDECODABLE = "undecodable"
    NO_SUCH_TRACK = "no_such_track"
    TOO_LONG = "too_long"
    OUT_OF_MEMORY = "out_of_memory"


@dataclass(frozen=True, slots=True)
class Report:
    """The last line on stderr, in JSON.

    Attributes:
        outcome: how decoding ended.
        message: for the user who sent the file; empty on success.
        broken_packets: packets that could not be decoded and were skipped.
    """

    outcome: Outcome
    message: str = ""
    broken_packets: int = 0


def _main() -> None:
    max_duration_s, cpu_s, memory_bytes = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    mode = sys.argv[4:]
    is_live = mode == ["live"]
    _confine(cpu_s, memory_bytes, niceness=0 if is_live else _NICENESS)
    file, audio = sys.stdin.buffer, sys.stdout.buffer
    try:
        if is_live:
            report = _decode_live(file, audio, max_duration_s)
        else:
            report = _decode(file, audio, max_duration_s, track=int(mode[0]) if mode else None)
    except BrokenPipeError:
        # The gateway has cancelled. Python would flush stdout once more at exit, and fail.
        os._exit(0)
    print(json.dumps(asdict(report)), file=sys.stderr, flush=True)  # noqa: T201 - the report


def _confine(cpu_s: int, memory_bytes: int, niceness: int = _NICENESS) -> None:
    """Drop all rights that decoding does not need, as far as the platform has such limits."""
    if sys.platform == "win32":
        return
    import resource

    limits = {
        resource.RLIMIT_CPU: (cpu_s, cpu_s + 1),  # SIGXCPU, which is reported, then SIGKILL
        resource.RLIMIT_NOFILE: (_OPEN_FILES, _OPEN_FILES),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
    }
    if sys.platform != "darwin":  # has the constant, but refuses every value
        limits[resource.RLIMIT_AS] = (memory_bytes, memory_bytes)
    for limit, values in limits.items():
        most = resource.getrlimit(limit)[1]
        soft, hard = (value if most == resource.RLIM_INFINITY else min(value, most) for value in values)
        resource.setrlimit(limit, (soft, hard))
    os.nice(niceness)


def _decode(file: BinaryIO, audio: BinaryIO, max_duration_s: float, track: int | None = None) -> Report:
    def run() -> int:
        with Media(file, "file", max_duration_s, track=track) as media:
            for block in media.blocks(BLOCK_S):
                audio.write(block)
                audio.flush()
            return media.broken_packets

    return _reported(run)


def _decode_live(stream: BinaryIO, audio: BinaryIO, max_duration_s: float) -> Report:
    """Decode a stream in progress; write all audio of the data so far before waiting for more."""
    pieces = _Pieces(stream, audio, max_duration_s)

    def run() -> int:
        # PyAV takes anything with a `read`
        with Media(cast("BinaryIO", pieces), "stream", is_live=True) as media:
            for piece in media.pieces():
                pieces.add(piece)
            pieces.write_out()
            return media.broken_packets

    return _reported(run)


class _Pieces:
    """The stream as FFmpeg reads it. Before each read, the audio decoded so far is written.

    Args:
        stream: the pipe to read from.
        audio: the pipe for the pieces.
        max_duration_s: limit of the audio.
    """

    def __init__(self, stream: BinaryIO, audio: BinaryIO, max_duration_s: float) -> None:
        self._stream = stream
        self._audio = audio
        self._max_duration_s = max_duration_s
        self._read_bytes = self._decoded_bytes = self._audio_bytes = 0
        self._pending = bytearray()

    def read(self, most_bytes: int) -> bytes:
        """Return the next bytes of the stream, waiting for them; empty at its end."""
        self._decoded_bytes = self._read_bytes
        self.write_out()
        piece = os.read(self._stream.fileno(), most_bytes)
        self._read_bytes += len(piece)
        return piece

    def add(self, piece: bytes) -> None:
        """Buffer audio until there is a piece, or no more data to decode."""
        self._audio_bytes += len(piece)
        if self._audio_bytes > self._max_duration_s * MEDIA_RATE_HZ * MEDIA_BYTES_PER_SAMPLE:
            raise MediaTooLong(f"stream is longer than {self._max_duration_s:g} s, which is the limit")
        self._pending += piece
        if len(self._pending) >= _MAX_PIECE_BYTES:
            self.write_out()

    def write_out(self) -> None:
        """Write the buffered audio, which may be empty."""
        self._audio.write(PIECE_HEADER.pack(self._decoded_bytes, len(self._pending)) + self._pending)
        self._audio.flush()
        self._pending.clear()


def _reported(run: Callable[[], int]) -> Report:
    """Return the report of decoding by `run`, which returns the number of broken packets."""
    try:
        broken_packets = run()
    except MediaTooLong as error:
        return Report(Outcome.TOO_LONG, str(error))
    except NoSuchTrack as error:
        return Report(Outcome.NO_SUCH_TRACK, str(error))
    except MediaError as error:
        return Report(Outcome.UNDECODABLE, str(error))
    except MemoryError:
        return Report(Outcome.OUT_OF_MEMORY, "file: decoding exceeds the memory limit")
    return Report(Outcome.ENDED, broken_packets=broken_packets)


if __name__ == "__main__":
    _main()
