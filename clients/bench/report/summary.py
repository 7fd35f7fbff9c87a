"""The summary of results: a row a run, a column a figure, and which figures are best. PURE."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clients.bench.report.figures import Format, count, decimal, fraction, percent, seconds
from clients.bench.result import Result, Run

__all__ = ["COLUMNS", "Column", "Row", "best_cells", "main_runs", "rows_of", "slo_text", "validity_text"]


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of runs, of which less is better.

    Attributes:
        metric: the field of `Run`, as `withheld` names it.
        group: heading over several columns.
        heading: its own.
        unit: of its figures; None: they have none.
        figure: of a run; None: there was nothing to measure.
        text: of a value.
        whole: of which it is a part; None: it is no part.
    """

    metric: str
    group: str
    heading: str
    unit: str | None
    figure: Callable[[Run], float | None]
    text: Format
    whole: Callable[[Run], int] | None = None

    def value(self, run: Run) -> float | None:
        """Return the figure of a run; None: there was nothing to measure, or it is withheld."""
        return None if self.metric in run.withheld else self.figure(run)

    def cell(self, run: Run) -> str:
        """Return the text of a run's figure."""
        value = self.value(run)
        return self.text(value) if self.whole is None or value is None else fraction(int(value), self.whole(run))


COLUMNS = (
    Column("errors", "Words", "wrong", "%", lambda run: run.errors.wer, percent),
    Column("word_shown", "Word shown", "p50", "s", lambda run: run.word_shown.p50, seconds),
    Column("word_shown", "Word shown", "p95", "s", lambda run: run.word_shown.p95, seconds),
    Column("word_committed", "Committed", "p50", "s", lambda run: run.word_committed.p50, seconds),
    Column("word_committed", "Committed", "p95", "s", lambda run: run.word_committed.p95, seconds),
    Column("final", "Speech → final", "p50", "s", lambda run: run.final.p50, seconds),
    Column("final", "Speech → final", "p95", "s", lambda run: run.final.p95, seconds),
    Column(
        "finals", "Finals", "missing", None, lambda run: _missing(run), count, lambda run: run.finals.ends_of_speech
    ),
    Column("finals", "Finals", "premature", None, lambda run: run.finals.premature, count),
    Column("stability", "Erasure", "per word", None, lambda run: run.stability.normalised_erasure, decimal),
)
"""From words wrong on; servers and streams come before, validity and SLO after."""


@dataclass(frozen=True, slots=True)
class Row:
    """A run of a result.

    Attributes:
        place: of the result in the report.
        result: with the run.
        run: the run.
    """

    place: int
    result: Result
    run: Run


def main_runs(result: Result) -> Sequence[Run]:
    """Return the runs of a result; of the search for capacity the one at capacity, or all where there are no others."""
    held = result.capacity.streams if result.capacity else None
    return [run for run in result.runs if run.purpose != "capacity" or run.streams == held] or result.runs


def rows_of(results: Sequence[Result]) -> list[Row]:
    """Return the main runs of results, those of the same load side by side."""
    rows = [Row(place, result, run) for place, result in enumerate(results) for run in main_runs(result)]
    return sorted(rows, key=lambda row: (row.run.streams, row.run.purpose != "load", row.place))


def best_cells(rows: Sequence[Row]) -> set[tuple[int, int]]:
    """Return (row, column) of the best figures, each among the valid runs of the same load.

    There are none where only one server has a figure, nor where all are equal.
    """
    loads: defaultdict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if row.run.clock.valid and row.run.purpose == "load":
            loads[row.run.streams].append(place)
    best: set[tuple[int, int]] = set()
    for places in loads.values():
        for number, column in enumerate(COLUMNS):
            best |= {(place, number) for place in _best([(place, rows[place]) for place in places], column)}
    return best


def validity_text(run: Run) -> str:
    """Return whether the clock of a run can be trusted."""
    return "valid" if run.clock.valid else "INVALID"


def slo_text(run: Run) -> str:
    """Return whether a run met its SLO; empty: it has none."""
    if not run.slo:
        return ""
    missed = sum(not outcome.met for outcome in run.slo)
    return f"missed {missed}/{len(run.slo)}" if missed else "met"


def _best(rows: Sequence[tuple[int, Row]], column: Column) -> list[int]:
    values = [(place, row.place, value) for place, row in rows if (value := column.value(row.run)) is not None]
    texts = {column.text(value) for _, _, value in values}
    if len({server for _, server, _ in values}) < 2 or len(texts) < 2:
        return []
    least = column.text(min(value for _, _, value in values))
    return [place for place, _, value in values if column.text(value) == least]


def _missing(run: Run) -> int | None:
    return run.finals.missing if run.finals.ends_of_speech else None
