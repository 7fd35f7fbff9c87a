"""Streams in several processes, which start together."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import msgspec
from anyio import to_thread
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from clients.bench.endpoint import Conditions, StreamPlan
from clients.bench.run import Progress
from clients.bench.targets import EndpointSpec
from clients.bench.trace import StreamTrace
from clients.bench.worker_messages import PlannedStream, WorkerPlan, WorkerReport, WorkerStart, line
from gateway.wire import LivecueError

__all__ = ["WorkerFailed", "run_in_processes"]

_START_AFTER_S = 0.3
"""From the order to start until the start: all workers have read it by then."""

_MAX_REPORT_BYTES = 2**30
"""Traces of fifty streams over hours."""


class WorkerFailed(LivecueError):
    """A worker process ended without a result; its own error is on standard error."""

    code = "worker_failed"


class _Worker:
    """A worker process that is being talked to."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._instructions = process.stdin
        self._reports = BufferedByteReceiveStream(process.stdout)

    async def send(self, message: WorkerPlan | WorkerStart) -> None:
        try:
            await self._instructions.send(line(message))
        except anyio.BrokenResourceError as error:
            raise WorkerFailed("a process of the bench ended before its streams began") from error

    async def leave(self) -> None:
        await self._instructions.aclose()

    async def report(self) -> WorkerReport:
        try:
            message = await self._reports.receive_until(b"\n", _MAX_REPORT_BYTES)
        except (anyio.IncompleteRead, anyio.EndOfStream) as error:
            raise WorkerFailed(f"a process of the bench ended with code {await self._process.wait()}") from error
        return msgspec.json.decode(message, type=WorkerReport)


async def run_in_processes(
    parts: Sequence[Sequence[StreamPlan]],
    endpoint: EndpointSpec,
    conditions: Conditions,
    leaving: anyio.Event,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> list[StreamTrace]:
    """Play streams in several processes, and return what was observed of each, by number.

    Args:
        parts: streams of each process.
        endpoint: the server.
        conditions: of the run.
        leaving: once it is set, all streams end their audio and wait for the rest of the answers.
        on_progress: called as the processes report theirs.

    Raises:
        WorkerFailed: a process ended without a result.
    """
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="livecue-bench-")))
        workers = [await opened.enter_async_context(_started()) for _ in parts]
        for worker, streams in zip(workers, await _written(parts, folder), strict=True):
            await worker.send(WorkerPlan(endpoint, conditions, streams))
        for worker in workers:
            await worker.report()
        start = WorkerStart(anyio.current_time() + _START_AFTER_S)
        for worker in workers:
            await worker.send(start)
        traces = await _collect(workers, leaving, on_progress)
    return sorted(traces, key=lambda trace: trace.stream)


async def _collect(
    workers: Sequence[_Worker], leaving: anyio.Event, on_progress: Callable[[Progress], None]
) -> list[StreamTrace]:
    progress = [Progress() for _ in workers]
    traces: list[StreamTrace] = []

    async def leave() -> None:
        await leaving.wait()
        for worker in workers:
            await worker.leave()

    async def follow(number: int) -> None:
        while (report := await workers[number].report()).traces is None:
            progress[number] = Progress(report.played_s, report.failed)
            played_s, failed = (each.played_s for each in progress), (each.failed for each in progress)
            on_progress(Progress(sum(played_s), sum(failed)))
        traces.extend(report.traces)

    async with anyio.create_task_group() as watching:
        watching.start_soon(leave)
        async with anyio.create_task_group() as following:
            for number in range(len(workers)):
                following.start_soon(follow, number)
        watching.cancel_scope.cancel()
    return traces


@asynccontextmanager
async def _started() -> AsyncIterator[_Worker]:
    """Run a worker for the duration of the block."""
    command = [sys.executable, "-m", "clients.bench.worker"]
    # in a session of its own, so that Ctrl-C reaches the bench alone, which lets the streams leave
    async with await anyio.open_process(command, stderr=None, stdin=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield _Worker(process)
        finally:
            if process.returncode is None:
                process.kill()


async def _written(parts: Sequence[Sequence[StreamPlan]], folder: Path) -> list[list[PlannedStream]]:
    """Write the audio to files, each recording once, and return the streams that name them."""
    audio = {stream.recording: stream.pcm for part in parts for stream in part}
    paths = {recording: folder / f"{number}.pcm" for number, recording in enumerate(audio)}
    for recording, pcm in audio.items():
        await to_thread.run_sync(paths[recording].write_bytes, pcm)
    return [
        [
            PlannedStream(stream.stream, stream.recording, str(paths[stream.recording]), stream.connect_at_s)
            for stream in part
        ]
        for part in parts
    ]
