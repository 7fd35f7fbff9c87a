"""Charts against load: limits, capacity, invalid runs, and what is beyond the axis."""

import pytest
from msgspec import structs

from clients.bench.report.charts import AREA
from clients.bench.report.load_charts import LOAD_FIGURES, LoadFigure, limit_of, load_chart
from clients.bench.result import Capacity, Percentiles, Result
from tests.clients.bench.report.pages import all_text, elements, parsed
from tests.clients.bench.results import FAST, SLOW, a_result, an_empty_result, two_results

SHOWN = next(figure for figure in LOAD_FIGURES if figure.metric == "word_shown.p95")
WRONG = next(figure for figure in LOAD_FIGURES if figure.metric == "errors.wer")


def with_shown(*p95s: float) -> Result:
    """Return a result with a run a figure, at 1, 2, 4 … streams."""
    result = a_result(loads=[2**place for place in range(len(p95s))], has_capacity=False)
    runs = [
        structs.replace(run, word_shown=Percentiles(9, p95=p95)) for run, p95 in zip(result.runs, p95s, strict=True)
    ]
    return structs.replace(result, runs=runs)


def with_capacity(streams: int) -> Result:
    return structs.replace(with_shown(0.5, 0.6, 0.7), capacity=Capacity(["word_shown.p95<=1.5"], streams, []))


def test_there_is_a_mark_a_run_and_a_line_a_server() -> None:
    drawn = parsed(load_chart(WRONG, two_results()) or "")
    assert [len(elements(drawn, name)) for name in ("line", "mark")] == [2, 9]


def test_the_limit_of_the_slo_is_drawn_once() -> None:
    drawn = parsed(load_chart(SHOWN, two_results()) or "")
    assert [text.text for text in elements(drawn, "limit-text")] == ["SLO 1.5 s"]


def test_figures_far_beyond_the_limit_get_an_arrow() -> None:
    drawn = parsed(load_chart(SHOWN, [with_shown(0.4, 5.9, 6.2, 40.0)]) or "")
    assert [text.text for text in elements(drawn, "beyond")] == ["↑ 6.20", "↑ 40.00"]
    assert len(elements(drawn, "mark")) == 2


def test_invalid_runs_are_hollow_and_say_so() -> None:
    drawn = parsed(load_chart(WRONG, [a_result(SLOW, loads=[1, 8], has_capacity=False)]) or "")
    assert [(mark.get("class"), "INVALID" in all_text(mark)) for mark in elements(drawn, "mark")] == [
        ("mark", False),
        ("mark hollow", True),
    ]


@pytest.mark.parametrize("streams", [1, 3, 4, 64])
def test_the_capacity_is_marked_inside_the_chart(streams: int) -> None:
    (capacity,) = elements(parsed(load_chart(SHOWN, [with_capacity(streams)]) or ""), "capacity")
    assert all_text(capacity) == f"livecue: capacity {streams} streams"
    assert AREA.left <= float(capacity.get("x1", "0")) <= AREA.right


def test_figures_without_a_limit_have_no_capacity() -> None:
    assert elements(parsed(load_chart(WRONG, [with_capacity(2)]) or ""), "capacity") == []


def test_a_capacity_of_nothing_has_no_line() -> None:
    assert elements(parsed(load_chart(SHOWN, [with_capacity(0)]) or ""), "capacity") == []


@pytest.mark.parametrize("figure", LOAD_FIGURES, ids=lambda figure: figure.metric)
def test_every_figure_has_a_chart_or_none_where_nothing_was_measured(figure: LoadFigure) -> None:
    assert parsed(load_chart(figure, two_results()) or "").tag == "svg"
    assert load_chart(figure, [an_empty_result()]) is None


def test_one_run_has_a_chart() -> None:
    assert len(elements(parsed(load_chart(SHOWN, [with_shown(0.4)]) or ""), "mark")) == 1


def test_runs_are_in_the_order_of_their_load() -> None:
    result = with_shown(0.4, 0.5, 0.6)
    shuffled = structs.replace(result, runs=[result.runs[2], result.runs[0], result.runs[1]])
    assert load_chart(SHOWN, [shuffled]) == load_chart(SHOWN, [result])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("word_shown.p95<=1.5", 1.5), ("word_shown.p95 < 2", 2.0), ("final.p95<=1", None), ("word_shown.p95>=1", None)],
)
def test_limits_are_read_from_the_slo(expression: str, expected: float | None) -> None:
    result = structs.replace(a_result(FAST), runs=[], capacity=Capacity([expression], 1, []))
    assert limit_of(SHOWN, result) == expected


def test_limits_of_shares_are_in_percent_as_their_charts() -> None:
    result = structs.replace(with_shown(0.4), capacity=Capacity(["errors.wer<=.125"], 1, []))
    drawn = parsed(load_chart(WRONG, [result]) or "")
    assert [text.text for text in elements(drawn, "limit-text")] == ["SLO 12.5 %"]


@pytest.mark.parametrize(("metric", "field"), [("finals.missing_share", "finals"), ("goodput.words_share", "goodput")])
def test_figures_that_are_withheld_are_left_out(metric: str, field: str) -> None:
    result = a_result(loads=[1], has_capacity=False)
    run = structs.replace(result.runs[0], withheld={field: "the times of the spoken words are unknown"})
    figure = next(figure for figure in LOAD_FIGURES if figure.metric == metric)
    assert load_chart(figure, [result]) is not None
    assert load_chart(figure, [structs.replace(result, runs=[run])]) is None


def test_limits_are_read_from_the_runs_where_no_capacity_was_sought() -> None:
    final = next(figure for figure in LOAD_FIGURES if figure.metric == "final.p95")
    assert limit_of(final, a_result(has_capacity=False)) == 1.0
