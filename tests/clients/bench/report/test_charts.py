"""Charts are valid SVG within their drawing."""

import re

import pytest

from clients.bench.report.charts import (
    AREA,
    STYLES,
    Axis,
    band,
    chart,
    clipped,
    limit,
    line,
    mark,
    steps,
    style,
    swatch,
)
from clients.bench.report.scale import Linear
from tests.clients.bench.report.pages import all_text, elements, parsed

X = Axis("lag <in> seconds", Linear(0, 4, AREA.left, AREA.right), (0.0, 2.0, 4.0), lambda value: f"{value:g}")
Y = Axis("% of words", Linear(0, 1, AREA.bottom, AREA.top), (0.0, 1.0), lambda value: f"{100 * value:.0f}")


def test_a_chart_has_its_axes_and_a_description() -> None:
    drawn = parsed(chart(X, Y, [line([(0, 0), (4, 1)], X, Y)], 'lags of "a" & <b>'))
    assert drawn.get("aria-label") == 'lags of "a" & <b>'
    assert [text.text for text in drawn.iter("text")] == ["% of words", "0", "100", "0", "2", "4", "lag <in> seconds"]


def test_ticks_are_within_the_drawing() -> None:
    drawn = parsed(chart(X, Y, [], ""))
    for text in drawn.iter("text"):
        assert 0 <= float(text.get("x", "-1")) <= AREA.width
        assert 0 <= float(text.get("y", "-1")) <= AREA.height


def test_a_line_goes_through_its_points() -> None:
    assert parsed(line([(0, 0), (4, 1)], X, Y)).get("d") == "M46.0 194.0L388.0 20.0"


def test_a_staircase_rises_at_each_point() -> None:
    assert steps([(1.0, 0.5), (2.0, 1.0)]) == [(1.0, 0.0), (1.0, 0.5), (2.0, 0.5), (2.0, 1.0)]
    assert steps([]) == []


def test_a_band_goes_along_one_line_and_back_along_the_other() -> None:
    drawn = parsed(band([(0, 0), (4, 0)], [(0, 1), (4, 1)], X, Y))
    assert drawn.get("d") == "M46.0 194.0L388.0 194.0L388.0 20.0L46.0 20.0Z"


@pytest.mark.parametrize("place", range(STYLES))
def test_marks_of_different_servers_differ_in_shape(place: int) -> None:
    shapes = {str(parsed(mark(other, (100, 100), "")).get("d")) for other in range(STYLES)}
    assert len(shapes) == STYLES
    corners = re.findall(r"([\d.]+) ([\d.]+)", str(parsed(mark(place, (100, 100), "")).get("d")))
    assert all(abs(float(x) - 100) < 8 and abs(float(y) - 100) < 8 for x, y in corners)


def test_a_mark_is_full_or_hollow_and_has_a_tooltip() -> None:
    assert parsed(mark(0, (1, 1), "p95 < 2 s")).get("class") == "mark"
    hollow = parsed(mark(0, (1, 1), "p95 < 2 s", is_hollow=True))
    assert (hollow.get("class"), all_text(hollow)) == ("mark hollow", "p95 < 2 s")


def test_servers_beyond_the_styles_repeat_them() -> None:
    assert (style(0), style(5), style(6)) == ("s0", "s5", "s0")
    assert parsed(mark(0, (1, 1), "")).get("d") == parsed(mark(STYLES, (1, 1), "")).get("d")


def test_a_limit_has_its_text_above_it() -> None:
    drawn = parsed(f"<g>{limit(0.5, 'SLO 0.5', Y)}</g>")
    (stroke,), (text,) = elements(drawn, "limit"), elements(drawn, "limit-text")
    assert stroke.get("y1") == stroke.get("y2") == "107"
    assert float(text.get("y", "0")) < 107


def test_what_is_clipped_keeps_its_coordinates() -> None:
    drawn = parsed(clipped(line([(0, 0)], X, Y)))
    left, top, width, height = drawn.get("viewBox", "").split()
    assert (drawn.get("x"), drawn.get("y"), drawn.get("width"), drawn.get("height")) == (left, top, width, height)


def test_a_swatch_is_hidden_from_screen_readers() -> None:
    drawn = parsed(swatch(1))
    assert drawn.get("aria-hidden") == "true"
    assert elements(drawn, "s1")
