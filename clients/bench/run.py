"""Streams in one event loop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio

from clients.bench.endpoint import Conditions, Endpoint, StreamPlan
from clients.bench.stream_run import StreamRun
from clients.bench.trace import StreamTrace

__all__ = ["Progress", "run_streams"]

_PROGRESS_S = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the streams of a run are.

    Attributes:
        played_s: audio captured, all streams together.
        failed: streams refused or ended early.
    """

    played_s: float = 0.0
    failed: int = 0


async def run_streams(
    plans: Sequence[StreamPlan],
    endpoint: Endpoint,
    conditions: Conditions,
    leaving: anyio.Event,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    start_s: float | None = None,
) -> list[StreamTrace]:
    """Play streams side by side, and return what was observed of each.

    Args:
        plans: of the streams.
        endpoint: the server.
        conditions: of the run.
        leaving: once it is set, all streams end their audio and wait for the rest of the answers.
        on_progress: called twice a second.
        start_s: time of the event loop's clock at which the run starts; None: now.
    """
    start_s = anyio.current_time() if start_s is None else start_s
    streams = [StreamRun(plan, endpoint, conditions, start_s) for plan in plans]

    async def leave() -> None:
        await leaving.wait()
        for stream in streams:
            stream.leave()

    async def report() -> None:
        while True:
            on_progress(_progress(streams))
            await anyio.sleep(_PROGRESS_S)

    async with anyio.create_task_group() as watching:
        watching.start_soon(leave)
        watching.start_soon(report)
        async with anyio.create_task_group() as playing:
            for stream in streams:
                playing.start_soon(stream.run)
        watching.cancel_scope.cancel()
    on_progress(_progress(streams))
    return [stream.trace for stream in streams]


def _progress(streams: Sequence[StreamRun]) -> Progress:
    failed = sum(stream.trace.failure is not None for stream in streams)
    return Progress(sum(stream.position_s for stream in streams), failed)
