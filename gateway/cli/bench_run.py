"""Runs what `livecue bench` is asked for, and makes the result of it."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from importlib.metadata import version
from urllib.parse import urlsplit

from clients.bench.benchmark import Benchmark, Judge, Play, Watch
from clients.bench.capacity import CapacitySearch
from clients.bench.capacity_run import Material, find_capacity
from clients.bench.endpoint import Conditions
from clients.bench.machine import describe_machine
from clients.bench.measure import measure_run
from clients.bench.result import Capacity, Result, Run, Server, Tool
from clients.bench.slo import evaluate, goodput_limits, parse_condition
from clients.bench.targets import EndpointSpec
from clients.bench.testset import read_testset
from clients.dialects import DRIVERS, detect
from clients.dialects.driver import DriverOptions
from gateway.cli.bench_material import PlayableTestset, silent_material, spoken_material
from gateway.cli.bench_options import BenchOptions, api_key, read_options, redacted
from gateway.errors import ConfigurationError

__all__ = ["Exit", "Plan", "exit_code", "make_plan", "run_plan"]

_DEFAULT_DIALECT = "native"
"""Of URLs that do not tell: `livecue bench http://127.0.0.1:8000` measures livecue."""

_DEFAULT_LANGUAGE = "en"
"""Of texts whose language is unknown, where none is asked of the server."""


class Exit(IntEnum):
    """Exit codes of the command."""

    MET = 0
    NOT_MET = 1
    USAGE = 2
    INVALID = 3
    INTERRUPTED = 130
    """The convention of shells: 128 + SIGINT."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A benchmark that can begin.

    Attributes:
        options: as asked for.
        endpoint: the server.
        testset: what is played.
        spoken: streams with speech.
        silent: streams without; None: they are not asked for.
        judge: measures the runs.
    """

    options: BenchOptions
    endpoint: EndpointSpec
    testset: PlayableTestset
    spoken: Material
    silent: Material | None
    judge: Judge

    @property
    def materials(self) -> list[tuple[Material, Sequence[int]]]:
        """All material, each with the streams of its runs."""
        loads: list[tuple[Material, Sequence[int]]] = [(self.spoken, self.options.counts)]
        return loads if self.silent is None else [*loads, (self.silent, [len(self.silent.passages)])]


def make_plan(options: BenchOptions, environment: Mapping[str, str] = os.environ) -> Plan:
    """Read what a benchmark needs.

    Raises:
        ConfigurationError: there is no such dialect, or nothing to play.
        LivecueError: the test set or a condition cannot be read.
    """
    dialect = options.dialect
    if dialect == "auto":
        dialect = detect(options.url) or _DEFAULT_DIALECT
    if dialect not in DRIVERS:
        raise ConfigurationError(f"--dialect {dialect}: expected auto, {', '.join(DRIVERS)}")
    asked = DriverOptions(
        options.model, options.language, api_key(options.url, environment), options.terms, options.extra
    )
    conditions = [parse_condition(expression) for expression in options.slo]
    limits = goodput_limits(conditions)
    judge = Judge(
        measure=lambda traces, references, uncut: measure_run(traces, references, limits, uncut),
        evaluate=lambda run: evaluate(run, conditions),
        word_s=limits.word_s,
    )
    testset = read_testset(options.audio, default_language=options.language or _DEFAULT_LANGUAGE)
    testset.entry()  # fails where the normaliser is missing, rather than after the runs
    rate_hz = DRIVERS[dialect](asked).sample_rate_hz
    silent = silent_material(testset, rate_hz) if options.measures_silence else None
    spoken = spoken_material(testset, options, rate_hz)
    return Plan(options, EndpointSpec(options.url, dialect, asked), testset, spoken, silent, judge)


async def run_plan(plan: Plan, play: Play, watch: Watch) -> Result:
    """Play everything, and return the result of what was played before an interruption."""
    options = plan.options
    conditions = Conditions(frame_s=options.frame_s, cut_every_s=options.cut_every_s)
    benchmark = Benchmark(play, conditions, plan.judge, watch, options.pid)
    capacity = await _play_all(plan, benchmark)
    others = benchmark.other_cores
    notes = [*plan.testset.notes]
    if watch.leaving.is_set():
        notes.append("interrupted: the last run is shorter than the others")
    return Result(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        tool=Tool("livecue bench", version("livecue"), platform.python_version(), redacted(sys.argv)),
        machine=await describe_machine(max(others) if others else None),
        server=_server(plan),
        testset=plan.testset.entry(),
        runs=benchmark.runs,
        capacity=capacity,
        notes=notes,
    )


def exit_code(result: Result, *, was_interrupted: bool) -> Exit:
    """Return what a result says of the server.

    Runs of the search and of the overload are expected to miss the SLO: there, capacity counts.
    """
    loads = [run for run in result.runs if run.purpose not in ("capacity", "overload")]
    if was_interrupted:
        return Exit.INTERRUPTED
    if any(not run.clock.valid for run in result.runs):
        return Exit.INVALID
    is_met = all(map(_is_met, loads)) and (result.capacity is None or result.capacity.streams > 0)
    return Exit.MET if is_met else Exit.NOT_MET


async def _play_all(plan: Plan, benchmark: Benchmark) -> Capacity | None:
    options, spoken, silent = plan.options, plan.spoken, plan.silent
    leaving, capacity = benchmark.watch.leaving, None
    if options.finds_capacity:
        # the search begins with the first load, and chooses the others
        capacity = await find_capacity(benchmark, spoken, CapacitySearch(options.counts[0]), options.overload)
    for count in () if options.finds_capacity else options.counts:
        if not leaving.is_set():
            await benchmark.load(spoken.passages, spoken.references, count, options.stagger_s)
    if silent is not None and not leaving.is_set():
        await benchmark.load(silent.passages, silent.references, len(silent.passages), options.stagger_s, "silence")
    return capacity


def _is_met(run: Run) -> bool:
    is_served = not run.goodput.refused_streams and not run.goodput.failed_streams
    return is_served and (run.purpose == "silence" or all(outcome.met for outcome in run.slo))


def _server(plan: Plan) -> Server:
    options, dialect = plan.options, plan.endpoint.dialect
    [url] = redacted([options.url if "://" in options.url else f"ws://{options.url}"])
    name = options.name or f"{dialect} at {urlsplit(url).netloc}"
    pairs = redacted([f"{key}={value}" for key, value in options.extra.items()])
    return Server(name, url, dialect, options.model, None, read_options(pairs))
