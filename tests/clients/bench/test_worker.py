"""A worker within this process: it plays its plan, and leaves at the end of its instructions."""

import io
from pathlib import Path

import anyio
import msgspec

from clients.bench.endpoint import Conditions
from clients.bench.reference import Reference
from clients.bench.self_test_script import Expected, Script
from clients.bench.self_test_server import ScriptedServer, serving
from clients.bench.targets import SELF_TEST, EndpointSpec
from clients.bench.worker import work
from clients.bench.worker_messages import PlannedStream, WorkerPlan, WorkerReport, WorkerStart, line

SCRIPT = Script(Reference("long", "en", 60.0, ()), (), Expected())


async def test_a_worker_reports_that_it_is_ready_and_at_last_the_traces(tmp_path: Path) -> None:
    path = tmp_path / "0.pcm"
    path.write_bytes(bytes(2 * 16_000 * 60))
    async with serving(ScriptedServer([SCRIPT])) as url:
        plan = WorkerPlan(EndpointSpec(url, SELF_TEST), Conditions(), [PlannedStream(7, "long", str(path), 0.0)])
        instructions = io.BytesIO(line(plan) + line(WorkerStart(anyio.current_time())))  # and then it is to leave
        reports = io.BytesIO()
        await work(instructions, reports)
    decoded = [msgspec.json.decode(each, type=WorkerReport) for each in reports.getvalue().splitlines()]
    assert decoded[0] == WorkerReport()
    assert decoded[-1].traces is not None
    [trace] = decoded[-1].traces
    assert (trace.stream, trace.recording) == (7, "long")
    assert trace.audio_s < 60.0
