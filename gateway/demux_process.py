"""The process that decodes one file of somebody else: the file on stdin, its sound on stdout, a report on stderr.

It is started for every file, so it imports nothing that is slow. What it may still do once it has begun: read that
file, compute, and write what it found. `gateway.demux` starts it.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import BinaryIO

from vad.media import Media, MediaError, MediaTooLong

__all__ = ["BLOCK_S", "Outcome", "Report"]

BLOCK_S = 0.5
"""Sound in one block: few enough to count, short enough to begin with."""

_OPEN_FILES = 3
"""The three standard ones. One more is neither another file nor a socket."""

_NICENESS = 10
"""A file waits for live sound, not the other way round."""


class Outcome(StrEnum):
    """How it ended."""

    ENDED = "ended"
    UNDECODABLE = "undecodable"
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
    _confine(cpu_s, memory_bytes)
    try:
        report = _decode(sys.stdin.buffer, sys.stdout.buffer, max_duration_s)
    except BrokenPipeError:
        # Nobody wants it any more. Python would flush stdout once more at exit, and complain.
        os._exit(0)
    print(json.dumps(asdict(report)), file=sys.stderr, flush=True)  # noqa: T201 - this is how it answers


def _confine(cpu_s: int, memory_bytes: int) -> None:
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
    os.nice(_NICENESS)


def _decode(file: BinaryIO, sound: BinaryIO, max_duration_s: float) -> Report:
    broken_packets = 0
    try:
        with Media(file, "file", max_duration_s) as media:
            for block in media.blocks(BLOCK_S):
                sound.write(block)
                sound.flush()
            broken_packets = media.broken_packets
    except MediaTooLong as error:
        return Report(Outcome.TOO_LONG, str(error))
    except MediaError as error:
        return Report(Outcome.UNDECODABLE, str(error))
    except MemoryError:
        return Report(Outcome.OUT_OF_MEMORY, "file: decoding it takes more memory than is allowed")
    return Report(Outcome.ENDED, broken_packets=broken_packets)


if __name__ == "__main__":
    _main()
