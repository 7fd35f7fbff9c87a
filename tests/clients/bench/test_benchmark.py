"""Runs of one load: played, with and without cuts, measured, and held against the SLO."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import anyio
import pytest

from clients.bench.benchmark import Benchmark, Played, Watch, play_streams
from clients.bench.endpoint import Conditions, StreamPlan
from clients.bench.load import Passage
from clients.bench.reference import Reference
from clients.bench.result import Run
from clients.bench.self_test_script import Expected, Script
from clients.bench.self_test_server import ScriptedServer, serving
from clients.bench.server_load import NoSuchProcess
from clients.bench.targets import SELF_TEST, EndpointSpec
from clients.bench.trace import Cut, StreamTrace
from tests.clients.bench.measuring import judge, run_of

PASSAGES = (Passage("talk", bytes(3200)),)
REFERENCES = {"talk": Reference("talk", "en", 0.1, ())}


class Recorder:
    """Plays nothing, and keeps what it was to play."""

    def __init__(self) -> None:
        self.conditions: list[Conditions] = []

    async def play(self, plans: Sequence[StreamPlan], conditions: Conditions, watch: Watch) -> list[StreamTrace]:
        self.conditions.append(conditions)
        cuts = [] if conditions.cut_every_s is None else [Cut(1.0, 1.5, True)]
        return [StreamTrace(plan.stream, plan.recording, 10.0, cuts=list(cuts)) for plan in plans]


async def test_a_load_is_played_measured_and_judged() -> None:
    recorder = Recorder()
    benchmark = Benchmark(recorder.play, Conditions(), judge(lambda run: run.streams < 3), Watch())
    two = await benchmark.load(PASSAGES, REFERENCES, 2)
    three = await benchmark.load(PASSAGES, REFERENCES, 3, purpose="capacity")
    assert [(run.streams, run.purpose, run.slo[0].met) for run in benchmark.runs] == [
        (2, "load", True),
        (3, "capacity", False),
    ]
    assert (two.is_met, three.is_met) == (True, False)
    assert two.run.server_load is None


async def test_a_load_with_cuts_is_played_without_them_first() -> None:
    recorder, seen = Recorder(), list[tuple[int, int]]()
    plain = judge()

    def measure(
        traces: Sequence[StreamTrace], references: Mapping[str, Reference], uncut: Sequence[StreamTrace]
    ) -> Run:
        seen.append((len(traces[0].cuts), len(uncut)))
        return plain.measure(traces, references, uncut)

    conditions = Conditions(cut_every_s=20.0)
    benchmark = Benchmark(recorder.play, conditions, replace(plain, measure=measure), Watch())
    played = await benchmark.load(PASSAGES, REFERENCES, 2)
    assert [each.cut_every_s for each in recorder.conditions] == [None, 20.0]
    assert seen == [(0, 0), (1, 2)]
    assert len(played.traces[0].cuts) == 1


async def test_after_an_interruption_nothing_more_is_played() -> None:
    recorder, watch = Recorder(), Watch()
    watch.leaving.set()
    benchmark = Benchmark(recorder.play, Conditions(cut_every_s=20.0), judge(), watch)
    await benchmark.load(PASSAGES, REFERENCES, 2)
    assert len(recorder.conditions) == 1


@pytest.mark.parametrize("was_refused", [True, False])
def test_a_load_that_was_not_served_to_the_end_does_not_meet_the_slo(was_refused: bool) -> None:
    trace = StreamTrace(0, "talk", 1.0, failure=("1013", "full"), was_refused=was_refused)
    assert not Played(run_of([trace], REFERENCES), (trace,)).is_met


async def test_a_server_that_is_not_there_is_not_measured() -> None:
    benchmark = Benchmark(Recorder().play, Conditions(), judge(), Watch(), pid=2**22 + 1)
    with pytest.raises(NoSuchProcess):
        await benchmark.load(PASSAGES, REFERENCES, 1)


async def test_many_streams_are_played_in_several_processes_and_few_in_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripts = [Script(REFERENCES["talk"], (), Expected())] * 6
    plans = [StreamPlan(number, "talk", bytes(3200)) for number in range(3)]
    watch = Watch(anyio.Event())
    async with serving(ScriptedServer(scripts)) as url:
        play = play_streams(EndpointSpec(url, SELF_TEST))
        few = await play(plans, Conditions(), watch)
        monkeypatch.setattr("clients.bench.benchmark.split", lambda plans: [plans[:2], plans[2:]])
        many = await play(plans, Conditions(), watch)
    assert [trace.failure for trace in [*few, *many]] == [None] * 6
