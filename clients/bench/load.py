"""Which stream plays what, and when it connects. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass

from clients.bench.endpoint import StreamPlan

__all__ = ["STREAMS_PER_PROCESS", "Passage", "plan_streams", "split"]

STREAMS_PER_PROCESS = 50
"""Streams that one event loop plays. Measured on two cores with a load of 6, against the self-test's server: 99 % of
the frames of 200 streams were within 31 ms in one loop, and within 16 ms in four; of 50 and 100 streams, within 16 ms
in either. Long texts cost more than that server's, hence the margin."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Audio that a stream plays.

    Attributes:
        recording: id of its reference.
        pcm: s16le, mono, at the rate of the dialect's driver.
    """

    recording: str
    pcm: bytes


def plan_streams(
    passages: Sequence[Passage], count: int, stagger_s: float = 1.0, first: int = 0, connect_at_s: float = 0.0
) -> list[StreamPlan]:
    """Return streams that play the passages in turn and connect one after the other.

    Args:
        passages: at least one.
        count: of streams.
        stagger_s: time over which they connect: all at once would measure the server's accept queue, and let all
            finals fall due together.
        first: number of the first stream, which also chooses its passage.
        connect_at_s: when the first one connects, since the start of the run.
    """
    return [
        StreamPlan(
            stream=number,
            recording=passages[number % len(passages)].recording,
            pcm=passages[number % len(passages)].pcm,
            connect_at_s=connect_at_s + (number - first) * stagger_s / count,
        )
        for number in range(first, first + count)
    ]


def split(plans: Sequence[StreamPlan], per_process: int = STREAMS_PER_PROCESS) -> list[list[StreamPlan]]:
    """Return the streams of each process: as few processes as possible, and as many streams in each.

    Args:
        plans: of all streams.
        per_process: most streams of a process, at least 1.
    """
    processes = -(-len(plans) // per_process)
    return [list(plans[number::processes]) for number in range(processes)]
