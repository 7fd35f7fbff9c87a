"""Streams in several processes: they start together, report, leave, and do not fail silently."""

import anyio
import pytest

from clients.bench.endpoint import Conditions, StreamPlan
from clients.bench.load import Passage, plan_streams, split
from clients.bench.processes import WorkerFailed, run_in_processes
from clients.bench.reference import Reference
from clients.bench.run import Progress
from clients.bench.self_test_script import Expected, Script, ScriptedMessage
from clients.bench.self_test_server import ScriptedServer, serving
from clients.bench.targets import SELF_TEST, EndpointSpec
from clients.dialects.driver import Transcript

SCRIPT = Script(Reference("short", "en", 0.3, ()), (ScriptedMessage(0.2, Transcript("1", "one", True)),), Expected())


def plans(count: int, seconds: float = 0.3) -> list[StreamPlan]:
    return plan_streams([Passage("short", bytes(2 * round(seconds * 16_000)))], count, stagger_s=0.2)


async def test_streams_in_two_processes_start_together_and_are_returned_in_order() -> None:
    seen: list[Progress] = []
    async with serving(ScriptedServer([SCRIPT] * 3)) as url:
        parts = split(plans(4), per_process=2)
        spec = EndpointSpec(url, SELF_TEST)
        traces = await run_in_processes(parts, spec, Conditions(), anyio.Event(), seen.append)
    assert [trace.stream for trace in traces] == [0, 1, 2, 3]
    assert sorted(trace.failure is None for trace in traces) == [False, True, True, True]
    served = [trace for trace in traces if trace.failure is None]
    assert [[each.transcript.text for each in trace.transcripts] for trace in served] == [["one"]] * 3
    assert [trace.pacing.frames for trace in served] == [3, 3, 3]
    assert seen[-1].failed == 1
    # all are on one clock: the run started when the first connected
    assert max(trace.began_s for trace in served) - min(trace.began_s for trace in served) < 5.0


async def test_streams_in_other_processes_leave_when_told() -> None:
    leaving = anyio.Event()

    def on_progress(progress: Progress) -> None:
        if progress.played_s > 0:
            leaving.set()

    async with serving(ScriptedServer([SCRIPT])) as url:
        spec = EndpointSpec(url, SELF_TEST)
        [trace] = await run_in_processes([plans(1, 50.0)], spec, Conditions(), leaving, on_progress)
    assert (trace.failure, trace.audio_s < 30.0) == (None, True)


async def test_a_process_that_dies_is_an_error() -> None:
    spec = EndpointSpec("ws://127.0.0.1:1", "no such dialect")
    with pytest.raises(WorkerFailed, match="ended with code 1"):
        await run_in_processes([plans(1)], spec, Conditions(), anyio.Event())
