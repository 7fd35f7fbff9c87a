"""The self-test on a virtual clock: every figure is that of the script, and a wrong one is noticed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import msgspec
import pytest
from anyio.abc import ObjectStream
from anyio.streams.stapled import StapledObjectStream

from clients.bench.endpoint import Endpoint
from clients.bench.measure import measure_run
from clients.bench.reference import Reference
from clients.bench.result import Run
from clients.bench.self_test import Comparison, Measure, SelfTest
from clients.bench.self_test_dialect import SelfTestDriver
from clients.bench.self_test_server import ScriptedServer, serving
from clients.bench.targets import SELF_TEST, EndpointSpec, endpoint_of
from clients.bench.trace import Observed, StreamTrace
from clients.dialects.driver import Target
from tests.clients.bench.virtual_time import run_virtually


def in_memory(server: ScriptedServer) -> Endpoint:
    """Return an endpoint that connects to the server without a socket."""

    @asynccontextmanager
    async def connect(target: Target) -> AsyncIterator[ObjectStream[str | bytes]]:
        to_server = anyio.create_memory_object_stream[str | bytes](16)
        to_client = anyio.create_memory_object_stream[str | bytes](16)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.serve, StapledObjectStream(to_client[0], to_server[1]))
                yield StapledObjectStream(to_server[0], to_client[1])
                tasks.cancel_scope.cancel()
        finally:
            for stream in (*to_server, *to_client):
                stream.close()

    return Endpoint("test://", SelfTestDriver, connect)


def compared(measure: Measure = measure_run) -> list[Comparison]:
    async def run() -> list[Comparison]:
        test = SelfTest()
        result = await test.run(in_memory(test.server), measure, anyio.Event())
        return test.comparisons(result)

    return run_virtually(run)


def disagreeing(comparisons: Sequence[Comparison]) -> list[tuple[str, float, float | None]]:
    return [(each.figure, each.expected, each.measured) for each in comparisons if not each.agrees]


def test_every_figure_is_that_of_the_script() -> None:
    comparisons = compared()
    assert disagreeing(comparisons) == []
    assert all(
        each.measured is not None and abs(each.measured - each.expected) < 1e-6
        for each in comparisons
        if each.unit == "s"
    )


def test_a_judge_whose_clock_is_6_ms_late_is_noticed() -> None:
    def late(traces: Sequence[StreamTrace], references: Mapping[str, Reference]) -> Run:
        for trace in traces:
            trace.transcripts = [Observed(each.at_s + 0.006, each.transcript) for each in trace.transcripts]
        return measure_run(traces, references)

    wrong = {figure.partition(".")[0] for figure, _, _ in disagreeing(compared(late))}
    assert wrong == {"first_shown", "word_shown", "word_committed", "word_final", "final", "first_partial"}


def test_a_judge_that_drops_words_is_noticed() -> None:
    def forgetful(traces: Sequence[StreamTrace], references: Mapping[str, Reference]) -> Run:
        for trace in traces:
            trace.transcripts = [each for each in trace.transcripts if each.transcript.segment != "1.0"]
        return measure_run(traces, references)

    figures = {figure for figure, _, _ in disagreeing(compared(forgetful))}
    assert {"errors.deleted", "finals.missing", "word_shown.count"} <= figures


def test_a_figure_that_was_not_measured_does_not_agree() -> None:
    comparison = Comparison("final.p50", 0.5, 0.504, 0.005, "s")
    assert comparison.agrees
    assert not replace(comparison, measured=0.506).agrees
    assert not replace(comparison, measured=None).agrees


def test_audio_that_did_not_arrive_is_noticed() -> None:
    async def run() -> list[Comparison]:
        test = SelfTest()
        result = await test.run(in_memory(test.server), measure_run, anyio.Event())
        unreached = SelfTest()
        return unreached.comparisons(msgspec.structs.replace(result))

    assert {"audio received", "late arrival of frames (p95)"} <= {each[0] for each in disagreeing(run_virtually(run))}


def test_the_audio_of_all_streams_is_counted() -> None:
    assert 50.0 < SelfTest().audio_s < 90.0


def test_a_late_client_or_server_stands_in_the_way_of_a_comparison() -> None:
    async def run() -> list[list[str]]:
        test = SelfTest()
        result = await test.run(in_memory(test.server), measure_run, anyio.Event())
        late_client = msgspec.structs.replace(result.clock, valid=False, reasons=["late"])
        found = [test.obstacles(result), test.obstacles(msgspec.structs.replace(result, clock=late_client))]
        test.server.late_s.append(0.006)
        return [*found, test.obstacles(result)]

    assert run_virtually(run) == [[], ["late"], ["the scripted server was 0.006 s late (limit 0.005 s)"]]


@pytest.mark.slow
async def test_every_figure_is_that_of_the_script_over_a_real_socket() -> None:
    test = SelfTest()
    async with serving(test.server) as url:
        run = await test.run(endpoint_of(EndpointSpec(url, SELF_TEST)), measure_run, anyio.Event())
    if obstacles := test.obstacles(run):
        pytest.skip(f"the machine was too busy to measure on: {', '.join(obstacles)}")
    assert disagreeing(test.comparisons(run)) == []
