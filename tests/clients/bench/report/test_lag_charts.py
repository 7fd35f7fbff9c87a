"""Charts of lags: a line a server, p50 and p95 marked, slow servers beyond the edge rather than fast ones squeezed."""

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from msgspec import structs

from clients.bench.report.charts import AREA
from clients.bench.report.lag_charts import Measured, distribution_chart, over_time_chart
from clients.bench.report.lags import LAGS
from clients.bench.result import Run, Word
from tests.clients.bench.report.pages import all_text, elements, parsed
from tests.clients.bench.results import an_empty_result, percentiles, two_results

SHOWN = next(lag for lag in LAGS if lag.metric == "word_shown")
COMMITTED = next(lag for lag in LAGS if lag.metric == "word_committed")


def measured(streams: int = 1) -> list[Measured]:
    return [
        Measured(place, result.server.name, [run for run in result.runs if run.streams == streams])
        for place, result in enumerate(two_results())
    ]


def with_lags(place: int, lags: Sequence[float]) -> Measured:
    """Return a server whose words are displayed with certain lags."""
    run: Run = measured()[0].runs[0]
    words = [Word("word", 0.5, 1.0, False, "word", 1.0 + lag_s, 1.0 + lag_s, None, None) for lag_s in lags]
    stream = structs.replace(run.per_stream[0], words=words, lag_over_time=[(1.0, lag_s) for lag_s in lags])
    return Measured(place, f"s{place}", [structs.replace(run, per_stream=[stream], word_shown=percentiles(lags))])


def drawing(*servers: Measured) -> Element:
    made = distribution_chart(SHOWN, servers)
    assert made is not None
    return parsed(made)


def horizontal_ticks(chart: Element) -> list[str]:
    return [str(text.text) for text in chart.iter("text") if text.get("y") == f"{AREA.bottom + 18:g}"]


def test_each_server_has_a_line_of_its_style() -> None:
    drawn = drawing(*measured())
    assert [len(elements(drawn, name)) for name in ("s0", "s1", "line")] == [1, 1, 2]
    assert drawn.get("aria-label", "").startswith("Word shown: share of words against lag, livecue, WhisperLive.")


def test_p50_is_hollow_and_p95_full() -> None:
    server = with_lags(0, [0.1 * step for step in range(1, 21)])
    marks = elements(drawing(server), "mark")
    assert [(mark.get("class"), all_text(mark)) for mark in marks] == [
        ("mark hollow", "s0: p50 1.10 s, 55.0 % of all spoken words"),
        ("mark", "s0: p95 2.00 s, 100.0 % of all spoken words"),
    ]


def test_a_server_without_the_lag_has_no_line() -> None:
    made = distribution_chart(COMMITTED, measured())
    assert made is not None
    assert elements(parsed(made), "s1") == []


def test_a_withheld_lag_is_not_drawn_though_words_have_times() -> None:
    server = with_lags(0, [0.5, 0.6])
    run = structs.replace(server.runs[0], withheld={"word_shown": "there were no partial transcripts"})
    assert distribution_chart(SHOWN, [Measured(0, "s0", [run])]) is None
    assert over_time_chart([Measured(0, "s0", [run])]) is None


def test_without_any_lag_there_is_no_chart() -> None:
    empty = Measured(0, "silent", an_empty_result().runs)
    assert distribution_chart(SHOWN, [empty]) is None
    assert over_time_chart([empty]) is None


def test_a_slow_server_runs_out_of_the_chart() -> None:
    drawn = drawing(with_lags(0, [0.5] * 100), with_lags(1, [0.5] * 10 + [60.0] * 90))
    assert horizontal_ticks(drawn)[-1] == "2.5"
    assert len(elements(drawn, "mark")) == 2


def test_words_that_are_displayed_before_they_end_have_negative_lags() -> None:
    assert horizontal_ticks(drawing(with_lags(0, [-0.4, 0.2, 0.6])))[0] == "\u22120.4"


def test_words_that_are_all_displayed_early_have_a_chart() -> None:
    assert horizontal_ticks(drawing(with_lags(0, [-0.4, -0.2])))[-1] == "0"


def test_lines_stay_within_the_axes() -> None:
    for path in elements(drawing(*measured()), "line"):
        numbers = [float(number) for number in re.findall(r"[\d.]+", path.get("d", ""))]
        assert all(AREA.left <= x for x in numbers[::2])
        assert all(AREA.top <= y <= AREA.bottom for y in numbers[1::2])


def test_several_runs_at_a_load_share_a_line_without_marks() -> None:
    server = with_lags(0, [0.2, 0.4])
    both = Measured(0, "s0", [*server.runs, *server.runs])
    assert elements(drawing(both), "mark") == []
    assert len(elements(drawing(both), "line")) == 1


def test_lag_over_time_has_a_line_and_a_band_a_server() -> None:
    made = over_time_chart(measured(streams=4))
    assert made is not None
    drawn = parsed(made)
    assert [len(elements(drawn, name)) for name in ("line", "band")] == [2, 2]


def test_lag_over_time_that_is_negative_has_an_axis_down_to_it() -> None:
    made = over_time_chart([with_lags(0, [-0.3])])
    assert made is not None
    assert "\u22120.3" in all_text(parsed(made))
