"""Plans of benchmarks, what is played of them, and exit codes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import msgspec
import pytest

from clients.bench import result as results
from clients.bench.benchmark import Watch
from clients.bench.capacity_run import Material
from clients.bench.endpoint import Conditions, StreamPlan
from clients.bench.load import Passage
from clients.bench.reference import Reference
from clients.bench.result import Capacity, Machine, Result, Run, Server, Tool
from clients.bench.targets import SELF_TEST, EndpointSpec
from clients.bench.trace import StreamTrace
from clients.dialects.driver import DriverOptions
from gateway.cli.bench_options import BenchOptions
from gateway.cli.bench_run import Exit, Plan, exit_code, run_plan
from tests.clients.bench.measuring import judge, run_of

REFERENCES = {name: Reference(name, None, 10.0, ()) for name in ("talk", "silence", "noise")}
SPOKEN = Material((Passage("talk", b""),), REFERENCES, 16_000)
SILENT = Material((Passage("silence", b""), Passage("noise", b"")), REFERENCES, 16_000)
ENTRY = results.Testset("fake", (), "", "", "")


class FakeTestset:
    speech = ()
    speechless = ()
    notes = ("talk.wav: left out",)

    def entry(self) -> results.Testset:
        return ENTRY


def plan(**changes: object) -> Plan:
    options = BenchOptions("wss://me:pw@host.example/v1?token=x", "auto", Path("audio"), counts=(1, 2))
    options = replace(options, extra={"api_key": "x", "b": "1"}, **changes)  # type: ignore[arg-type]
    endpoint = EndpointSpec(options.url, SELF_TEST, DriverOptions())
    silent = SILENT if options.measures_silence else None
    return Plan(options, endpoint, FakeTestset(), SPOKEN, silent, judge(lambda run: run.streams <= 3))


async def played(of: Plan, watch: Watch | None = None) -> Result:
    async def play(plans: Sequence[StreamPlan], conditions: Conditions, watch: Watch) -> list[StreamTrace]:
        return [StreamTrace(each.stream, each.recording, 10.0) for each in plans]

    return await run_plan(of, play, watch or Watch())


async def test_loads_are_played_in_sequence_and_then_silence() -> None:
    result = await played(plan(measures_silence=True))
    assert [(run.streams, run.purpose) for run in result.runs] == [(1, "load"), (2, "load"), (2, "silence")]
    assert (result.capacity, result.notes) == (None, ["talk.wav: left out"])


async def test_the_search_for_capacity_chooses_its_loads() -> None:
    result = await played(plan(finds_capacity=True, slo=("a<=1",)))
    assert [(run.streams, run.purpose) for run in result.runs] == [(count, "capacity") for count in (1, 2, 4, 3)]
    assert result.capacity is not None
    assert result.capacity.streams == 3


async def test_an_interruption_ends_the_loads_and_is_noted() -> None:
    watch = Watch(anyio.Event())
    watch.leaving.set()
    result = await played(plan(measures_silence=True), watch)
    assert result.runs == []
    assert "interrupted" in result.notes[-1]


async def test_the_server_is_named_without_secrets() -> None:
    server = (await played(plan())).server
    assert (server.name, server.url) == ("self-test at host.example", "wss://host.example/v1")
    assert server.options == {"api_key": "…", "b": "1"}
    assert (await played(plan(name="mine"))).server.name == "mine"


def result_of(*runs: Run, capacity: Capacity | None = None) -> Result:
    return Result("", Tool("", "", "", ()), Machine("", "", 1, 0), Server("", "", ""), ENTRY, runs, capacity)


def measured(purpose: str = "load", *, is_met: bool = True, is_valid: bool = True, fails: bool = False) -> Run:
    trace = StreamTrace(0, "talk", 1.0, failure=("1011", "broken") if fails else None)
    run = run_of([trace], REFERENCES, is_valid=is_valid)
    outcomes = judge(lambda run: is_met).evaluate(run)
    return msgspec.structs.replace(run, purpose=purpose, slo=outcomes)


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (result_of(measured()), Exit.MET),
        (result_of(measured(), measured(is_met=False)), Exit.NOT_MET),
        (result_of(measured(fails=True)), Exit.NOT_MET),
        (result_of(measured("silence", is_met=False)), Exit.MET),
        (result_of(measured(is_valid=False)), Exit.INVALID),
        (result_of(measured("capacity", is_met=False), capacity=Capacity([], 2, ())), Exit.MET),
        (result_of(measured("capacity", is_met=False), capacity=Capacity([], 0, ())), Exit.NOT_MET),
    ],
)
def test_exit_codes_tell_what_a_result_says(result: Result, code: Exit) -> None:
    assert exit_code(result, was_interrupted=False) == code
    assert exit_code(result, was_interrupted=True) == Exit.INTERRUPTED
