"""The summary: its rows, its texts, and which figures are best."""

from collections.abc import Sequence

from msgspec import structs

from clients.bench.report.summary import COLUMNS, Row, best_cells, rows_of, slo_text, validity_text
from clients.bench.result import Capacity, Clock, Percentiles, Result, Run, SloOutcome
from tests.clients.bench.results import FAST, a_result, an_empty_result, two_results

SHOWN_P95 = next(
    place for place, column in enumerate(COLUMNS) if (column.group, column.heading) == ("Word shown", "p95")
)


def results_with_shown(*p95s: float | None, valid: Sequence[bool] = ()) -> list[Result]:
    """Return a result of one run a figure."""
    runs = [with_shown(p95, is_valid) for p95, is_valid in zip(p95s, valid or [True] * len(p95s), strict=True)]
    return [structs.replace(a_result(loads=[1], has_capacity=False), runs=[run]) for run in runs]


def with_shown(p95: float | None, is_valid: bool = True) -> Run:
    run = a_result(loads=[1]).runs[0]
    clock = Clock(run.clock.late, run.clock.blocked, valid=is_valid)
    return structs.replace(run, word_shown=Percentiles(9, 0.1, p95=p95), clock=clock)


def best_shown(results: Sequence[Result]) -> list[int]:
    """Return the rows whose p95 of shown words is marked as best."""
    return sorted(row for row, column in best_cells(rows_of(results)) if column == SHOWN_P95)


def test_runs_of_the_same_load_stand_side_by_side() -> None:
    rows = rows_of(two_results(loads=[1, 4]))
    assert [(row.run.streams, row.place, row.run.purpose) for row in rows] == [
        (1, 0, "load"),
        (1, 1, "load"),
        (4, 0, "load"),
        (4, 1, "load"),
        (16, 0, "overload"),
    ]


def test_the_try_at_capacity_is_a_row_and_others_only_where_there_are_no_other_runs() -> None:
    load = a_result(loads=[1]).runs[0]
    tried = structs.replace(load, purpose="capacity", streams=3)
    both = structs.replace(a_result(), runs=[load, tried])
    only = structs.replace(a_result(), runs=[tried])
    assert [row.run.streams for row in rows_of([both])] == [1]
    held = structs.replace(both, capacity=Capacity([], 3, []))
    assert [row.run.streams for row in rows_of([held])] == [1, 3]
    assert [row.run.streams for row in rows_of([only])] == [3]


def test_the_least_figure_is_best() -> None:
    assert best_shown(results_with_shown(0.9, 0.4, 0.5)) == [1]


def test_figures_that_read_the_same_are_equally_good() -> None:
    assert best_shown(results_with_shown(0.401, 0.9, 0.399)) == [0, 2]


def test_nothing_is_best_where_all_are_equal_or_one_server_is_alone() -> None:
    assert best_shown(results_with_shown(0.401, 0.399)) == []
    assert best_shown(results_with_shown(0.4)) == []
    assert best_shown(results_with_shown(0.4, None)) == []


def test_invalid_runs_do_not_compete() -> None:
    assert best_shown(results_with_shown(0.1, 0.4, 0.5, valid=[False, True, True])) == [1]


def test_overload_does_not_compete() -> None:
    results = [a_result(FAST, loads=[16], seed=seed) for seed in (1, 2)]
    assert all(rows_of(results)[row].run.purpose == "load" for row, _ in best_cells(rows_of(results)))


def test_cells_are_dashes_where_nothing_was_measured() -> None:
    run = an_empty_result().runs[0]
    assert {column.heading: column.cell(run) for column in COLUMNS} == {
        "wrong": "–",
        "p50": "–",
        "p95": "–",
        "missing": "–",
        "premature": "0",
        "per word": "–",
    }


def test_figures_that_are_withheld_are_dashes_and_never_best() -> None:
    one, other = results_with_shown(0.1, 0.4)
    withheld = structs.replace(one.runs[0], withheld={"word_shown": "no partials", "finals": "no times"})
    results = [structs.replace(one, runs=[withheld]), other]
    cells = [column.cell(withheld) for column in COLUMNS if column.metric in {"word_shown", "finals"}]
    assert cells == ["–", "–", "–", "–"]
    assert best_shown(results) == []


def test_cells_have_the_figures_of_the_run() -> None:
    row = Row(0, a_result(), a_result(loads=[4]).runs[0])
    cells = [column.cell(row.run) for column in COLUMNS]
    assert cells[0] == f"{100 * (row.run.errors.wer or 0):.1f}"
    assert cells[7] == f"{row.run.finals.missing} / {row.run.finals.ends_of_speech}"


def test_a_missed_condition_is_counted() -> None:
    run = a_result(loads=[1]).runs[0]
    outcomes = [SloOutcome("a<=1", 2.0, False), SloOutcome("b<=1", 0.5, True)]
    assert slo_text(structs.replace(run, slo=outcomes)) == "missed 1/2"
    assert slo_text(structs.replace(run, slo=outcomes[1:])) == "met"
    assert slo_text(structs.replace(run, slo=[])) == ""


def test_an_invalid_run_is_named_in_capitals() -> None:
    assert (validity_text(with_shown(1.0)), validity_text(with_shown(1.0, is_valid=False))) == ("valid", "INVALID")
