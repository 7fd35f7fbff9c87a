"""The summary of a result on a terminal, or as plain text in a file or a pipe."""

from collections.abc import Callable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clients.bench.report.figures import NOTHING, count, decimal, percent, seconds
from clients.bench.report.summary import Row, rows_of, validity_text
from clients.bench.result import Capacity, Percentiles, Result, Run

__all__ = ["capacity_text", "print_summary", "summary_table", "summary_text"]

_COLUMNS: tuple[tuple[str, Callable[[Run], str]], ...] = (
    ("streams", lambda run: f"{run.streams}" if run.purpose == "load" else f"{run.streams}\n{run.purpose}"),
    ("words wrong %", lambda run: percent(run.errors.wer)),
    ("shown p50/p95 s", lambda run: _pair(run.word_shown)),
    ("committed p50/p95 s", lambda run: _pair(run.word_committed)),
    ("final p50/p95 s", lambda run: _pair(run.final)),
    ("finals missing", lambda run: _of_finals(run, f"{count(run.finals.missing)}/{count(run.finals.ends_of_speech)}")),
    ("finals early", lambda run: _of_finals(run, count(run.finals.premature))),
    ("erased /word", lambda run: _erasure(run)),
    ("clock", validity_text),
    ("SLO met", lambda run: _slo(run)),
)

_GAP = "  "


def summary_table(result: Result) -> Table:
    """Return the summary for a terminal: one row a run. Its headings wrap, so that it fits into 80 columns."""
    table = Table(title=Text(_title(result)), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.padding, table.show_edge = (0, 0), False
    for heading, _ in _COLUMNS:
        table.add_column(Text("\n".join(heading.split())), justify="right", vertical="top")
    for row in rows_of([result]):
        cells = [Text(cell) for cell in _cells(row)]
        cells[-2].stylize("green" if row.run.clock.valid else "bold red")
        cells[-1].stylize("green" if all(outcome.met for outcome in row.run.slo) else "red")
        table.add_row(*cells, style=None if row.run.clock.valid else "dim")
    return table


def summary_text(result: Result) -> str:
    """Return the summary as plain text in aligned columns, two spaces apart."""
    lines = [[heading for heading, _ in _COLUMNS], *(_flat(row) for row in rows_of([result]))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    aligned = (
        _GAP.join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
    return "\n".join([_title(result), *aligned])


def print_summary(result: Result, console: Console) -> None:
    """Print the summary: a table on a terminal, else plain text, whose lines are never broken; and the capacity."""
    if console.is_terminal:
        console.print(summary_table(result))
    else:
        console.out(summary_text(result), highlight=False)
    if result.capacity is not None:
        console.out(capacity_text(result.capacity), highlight=False)


def capacity_text(capacity: Capacity) -> str:
    """Return the most streams that met the SLO, how they were found, and what an overload did."""
    tried = ", ".join(f"{streams} {'yes' if is_met else 'no'}" for streams, is_met in capacity.tried)
    text = f"capacity: {capacity.streams} streams meet {' and '.join(capacity.slo)} (tried {tried})"
    if capacity.overload_streams is None:
        return text
    recovered = "never" if capacity.recovery_s is None else f"{seconds(capacity.recovery_s)} s after its end"
    return (
        f"{text}\noverload of {capacity.overload_streams} streams: {decimal(capacity.overload_goodput)} × the words "
        f"on time at capacity, {count(capacity.overload_refused)} streams refused, "
        f"{count(capacity.overload_finals_missing)} finals missing, on time again: {recovered}"
    )


def _title(result: Result) -> str:
    model = f", {result.server.model}" if result.server.model else ""
    return f"{result.server.name} ({result.server.dialect}{model}) on {result.testset.name}"


def _cells(row: Row) -> list[str]:
    return [cell(row.run) for _, cell in _COLUMNS]


def _flat(row: Row) -> list[str]:
    return [cell.replace("\n", " ") for cell in _cells(row)]


def _pair(lag: Percentiles) -> str:
    return NOTHING if lag.p50 is None else f"{seconds(lag.p50)}/{seconds(lag.p95)}"


def _of_finals(run: Run, text: str) -> str:
    return NOTHING if "finals" in run.withheld else text


def _erasure(run: Run) -> str:
    return NOTHING if "stability" in run.withheld else decimal(run.stability.normalised_erasure)


def _slo(run: Run) -> str:
    return f"{sum(outcome.met for outcome in run.slo)}/{len(run.slo)}" if run.slo else NOTHING
