"""The parts of the benchmark that are found by name, because they are written beside this command."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

from rich.console import Console

from clients.bench import result
from clients.bench.reference import Reference
from clients.bench.trace import StreamTrace
from clients.dialects.driver import DriverFactory

__all__ = [
    "Clip",
    "Condition",
    "Limits",
    "TestRecording",
    "Testset",
    "concatenate",
    "detect",
    "drivers",
    "evaluate",
    "goodput_limits",
    "measure_run",
    "parse_condition",
    "prepare",
    "print_summary",
    "read_results",
    "read_testset",
    "rotation",
    "write_csv",
    "write_html",
]


class Clip(Protocol):
    """Audio and what is spoken in it."""

    @property
    def reference(self) -> Reference: ...
    @property
    def pcm(self) -> bytes: ...


class TestRecording(Protocol):
    """A recording of a test set."""

    @property
    def reference(self) -> Reference: ...
    def clip(self, sample_rate_hz: int) -> Clip: ...


class Testset(Protocol):
    """A test set."""

    @property
    def speech(self) -> Sequence[TestRecording]: ...
    @property
    def speechless(self) -> Sequence[TestRecording]: ...
    @property
    def notes(self) -> Sequence[str]: ...
    def entry(self) -> result.Testset: ...


class Condition(Protocol):
    """A condition of an SLO."""


class Limits(Protocol):
    """Limits of a measurement."""

    @property
    def word_s(self) -> float: ...


def read_testset(source: Path, cache: Path | None = None, default_language: str = "en") -> Testset:
    """See `clients.bench.testset`."""
    found: Testset = import_module("clients.bench.testset").read_testset(source, cache, default_language)
    return found


def concatenate(clips: Sequence[Clip], sample_rate_hz: int) -> Clip:
    """See `clients.bench.concatenation`."""
    joined: Clip = import_module("clients.bench.concatenation").concatenate(clips, sample_rate_hz)
    return joined


def rotation(references: Sequence[Reference], stream: int, least_s: float) -> list[int]:
    """See `clients.bench.concatenation`."""
    places: list[int] = import_module("clients.bench.concatenation").rotation(references, stream, least_s)
    return places


def parse_condition(expression: str) -> Condition:
    """See `clients.bench.slo`."""
    condition: Condition = import_module("clients.bench.slo").parse_condition(expression)
    return condition


def evaluate(run: result.Run, conditions: Sequence[Condition]) -> Sequence[result.SloOutcome]:
    """See `clients.bench.slo`."""
    outcomes: Sequence[result.SloOutcome] = import_module("clients.bench.slo").evaluate(run, conditions)
    return outcomes


def goodput_limits(conditions: Sequence[Condition]) -> Limits:
    """See `clients.bench.slo`."""
    limits: Limits = import_module("clients.bench.slo").goodput_limits(conditions)
    return limits


def measure_run(
    traces: Sequence[StreamTrace],
    references: Mapping[str, Reference],
    limits: Limits | None = None,
    uncut: Sequence[StreamTrace] = (),
) -> result.Run:
    """See `clients.bench.measure`."""
    run: result.Run = import_module("clients.bench.measure").measure_run(traces, references, limits, uncut)
    return run


def drivers() -> Mapping[str, DriverFactory]:
    """See `clients.dialects`."""
    table: Mapping[str, DriverFactory] = import_module("clients.dialects").DRIVERS
    return table


def detect(url: str) -> str | None:
    """See `clients.dialects`."""
    dialect: str | None = import_module("clients.dialects").detect(url)
    return dialect


def print_summary(shown: result.Result, console: Console) -> None:
    """See `clients.bench.report`."""
    import_module("clients.bench.report").print_summary(shown, console)


def read_results(paths: Sequence[Path]) -> list[result.Result]:
    """See `clients.bench.report`."""
    results: list[result.Result] = import_module("clients.bench.report").read_results(paths)
    return results


def write_html(results: Sequence[result.Result], path: Path) -> None:
    """See `clients.bench.report`."""
    import_module("clients.bench.report").write_html(results, path)


def write_csv(written: result.Result, path: Path) -> None:
    """See `clients.bench.report`."""
    import_module("clients.bench.report").write_csv(written, path)


def prepare(folder: Path, model: str) -> None:
    """See `gateway.cli.bench_prepare`."""
    import_module("gateway.cli.bench_prepare").prepare(folder, model)
