"""A process that plays some of the streams of a run: `python -m clients.bench.worker` (see `worker_messages`)."""

import sys
from pathlib import Path
from typing import BinaryIO

import anyio
import msgspec
from anyio import to_thread

from clients.bench.endpoint import StreamPlan
from clients.bench.run import Progress, run_streams
from clients.bench.targets import endpoint_of
from clients.bench.worker_messages import WorkerPlan, WorkerReport, WorkerStart, line

__all__ = ["work"]


async def work(instructions: BinaryIO, reports: BinaryIO) -> None:
    """Play the streams of a plan, and report them.

    Args:
        instructions: the plan and the start, a line each; its end lets the streams leave.
        reports: takes progress, and at last the traces.
    """

    def report(message: WorkerReport) -> None:
        reports.write(line(message))
        reports.flush()

    def progress(now: Progress) -> None:
        report(WorkerReport(now.played_s, now.failed))

    plan = msgspec.json.decode(await to_thread.run_sync(instructions.readline), type=WorkerPlan)
    audio = {stream.pcm_path: Path(stream.pcm_path).read_bytes() for stream in plan.streams}  # noqa: ASYNC240
    streams = [
        StreamPlan(each.stream, each.recording, audio[each.pcm_path], each.connect_at_s) for each in plan.streams
    ]
    endpoint = endpoint_of(plan.endpoint)
    report(WorkerReport())
    start = msgspec.json.decode(await to_thread.run_sync(instructions.readline), type=WorkerStart)
    leaving = anyio.Event()

    async def leave() -> None:
        await to_thread.run_sync(instructions.read, abandon_on_cancel=True)
        leaving.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        traces = await run_streams(streams, endpoint, plan.conditions, leaving, progress, start.start_s)
        report(WorkerReport(traces=traces))
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(work, sys.stdin.buffer, sys.stdout.buffer)
