"""The process that decodes one file of somebody else: the file on stdin, its sound on stdout, a report on stderr.

Of a live stream the sound comes as pieces, each after a `PIECE_HEADER`. The process is started for every file, so it
imports nothing that is slow. What it may still do once it has begun: read that file, compute, and write what it found.
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
"""Sound in one block: few enough to count, short enough to begin with."""

PIECE_HEADER = Struct("<QI")
"""Before each piece of a live stream's sound: bytes of the stream that it is all the sound of, and its own length."""

_MAX_PIECE_BYTES = round(BLOCK_S * MEDIA_RATE_HZ) * MEDIA_BYTES_PER_SAMPLE

_OPEN_FILES = 3
"""The three standard ones. One more is neither another file nor a socket."""

_NICENESS = 10
"""A file waits for live sound, not the other way round."""


class Outcome(StrEnum):
    """How it ended."""

    ENDED = "ended"
    UNDECODABLE = "undecodable"
    NO_SUCH_TRACK = "no_such_track"
    TOO_LONG = "too_long"
    OUT_OF_MEMORY = "out_of_memory"


@dataclass(frozen=True, slots=True)
class Report:
    """The last line on stderr, in JSON.

    Attributes:
        outcome: how it ended.
        message: for the one who sent the file; empty where all went well.
        broken_packets: pieces that could not be decoded and were left out.
    """

    outcome: Outcome
    message: str = ""
    broken_packets: int = 0


def _main() -> None:
    max_duration_s, cpu_s, memory_bytes = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    mode = sys.argv[4:]
    is_live = mode == ["live"]
    _confine(cpu_s, memory_bytes, niceness=0 if is_live else _NICENESS)
    file, sound = sys.stdin.buffer, sys.stdout.buffer
    try:
        if is_live:
            report = _decode_live(file, sound, max_duration_s)
        else:
            report = _decode(file, sound, max_duration_s, track=int(mode[0]) if mode else None)
    except BrokenPipeError:
        # Nobody wants it any more. Python would flush stdout once more at exit, and complain.
        os._exit(0)
    print(json.dumps(asdict(report)), file=sys.stderr, flush=True)  # noqa: T201 - this is how it answers


def _confine(cpu_s: int, memory_bytes: int, niceness: int = _NICENESS) -> None:
    """Give up all that decoding does not need, as far as the platform knows such limits."""
    if sys.platform == "win32":
        return
    import resource

    limits = {
        resource.RLIMIT_CPU: (cpu_s, cpu_s + 1),  # at the first SIGXCPU, which says why; at the second SIGKILL
        resource.RLIMIT_NOFILE: (_OPEN_FILES, _OPEN_FILES),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
    }
    if sys.platform != "darwin":  # which has the name, and refuses every value
        limits[resource.RLIMIT_AS] = (memory_bytes, memory_bytes)
    for limit, wanted in limits.items():
        most = resource.getrlimit(limit)[1]
        soft, hard = (value if most == resource.RLIM_INFINITY else min(value, most) for value in wanted)
        resource.setrlimit(limit, (soft, hard))
    os.nice(niceness)


def _decode(file: BinaryIO, sound: BinaryIO, max_duration_s: float, track: int | None = None) -> Report:
    def run() -> int:
        with Media(file, "file", max_duration_s, track=track) as media:
            for block in media.blocks(BLOCK_S):
                sound.write(block)
                sound.flush()
            return media.broken_packets

    return _reported(run)


def _decode_live(stream: BinaryIO, sound: BinaryIO, max_duration_s: float) -> Report:
    """Decode what is still being sent; all that can be heard is written before more of it is waited for."""
    pieces = _Pieces(stream, sound, max_duration_s)

    def run() -> int:
        # PyAV takes anything with a `read`
        with Media(cast("BinaryIO", pieces), "stream", is_live=True) as media:
            for piece in media.pieces():
                pieces.add(piece)
            pieces.write_out()
            return media.broken_packets

    return _reported(run)


class _Pieces:
    """The stream as FFmpeg reads it. Before each reading, what was decoded so far is written.

    Args:
        stream: the pipe it comes from.
        sound: the pipe the pieces go to.
        max_duration_s: most sound that is taken.
    """

    def __init__(self, stream: BinaryIO, sound: BinaryIO, max_duration_s: float) -> None:
        self._stream = stream
        self._sound = sound
        self._max_duration_s = max_duration_s
        self._read_bytes = self._decoded_bytes = self._heard_bytes = 0
        self._pending = bytearray()

    def read(self, most_bytes: int) -> bytes:
        """Return what there is of the stream, waiting for more; empty at its end."""
        self._decoded_bytes = self._read_bytes
        self.write_out()
        piece = os.read(self._stream.fileno(), most_bytes)
        self._read_bytes += len(piece)
        return piece

    def add(self, piece: bytes) -> None:
        """Keep sound until there is enough of it, or nothing more to decode."""
        self._heard_bytes += len(piece)
        if self._heard_bytes > self._max_duration_s * MEDIA_RATE_HZ * MEDIA_BYTES_PER_SAMPLE:
            raise MediaTooLong(f"stream: it goes on beyond {self._max_duration_s:g} s, which is allowed")
        self._pending += piece
        if len(self._pending) >= _MAX_PIECE_BYTES:
            self.write_out()

    def write_out(self) -> None:
        """Write the sound kept, which may be none."""
        self._sound.write(PIECE_HEADER.pack(self._decoded_bytes, len(self._pending)) + self._pending)
        self._sound.flush()
        self._pending.clear()


def _reported(run: Callable[[], int]) -> Report:
    """Return how the decoding ended; it returns how many packets were broken."""
    try:
        broken_packets = run()
    except MediaTooLong as error:
        return Report(Outcome.TOO_LONG, str(error))
    except NoSuchTrack as error:
        return Report(Outcome.NO_SUCH_TRACK, str(error))
    except MediaError as error:
        return Report(Outcome.UNDECODABLE, str(error))
    except MemoryError:
        return Report(Outcome.OUT_OF_MEMORY, "file: decoding it takes more memory than is allowed")
    return Report(Outcome.ENDED, broken_packets=broken_packets)


if __name__ == "__main__":
    _main()
