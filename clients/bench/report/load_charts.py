"""Charts against load: a figure of every run by its number of streams, with the limit of the SLO. PURE."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from clients.bench.report.charts import AREA, Axis, Point, chart, clipped, limit, line, mark, style
from clients.bench.report.figures import decimal
from clients.bench.report.markup import Markup, element
from clients.bench.report.scale import Doubling, Linear, doublings, round_range, ticks
from clients.bench.result import Result, Run

__all__ = ["LOAD_FIGURES", "LoadFigure", "limit_of", "load_chart"]

_LIMIT = re.compile(r"\s*(?P<metric>[a-z_.0-9]+)\s*<=?\s*(?P<value>\d*\.?\d+)\s*")

_STEPS = 5

_MAX_RATIO = 4.0
"""Of the vertical axis to the limit: what is further beyond it gets an arrow and its value."""

_LABEL_HEIGHT = 13.0


@dataclass(frozen=True, slots=True)
class LoadFigure:
    """A figure of a run.

    Attributes:
        metric: as SLOs name it.
        title: of its chart.
        unit: label of the axis; limits of SLOs are shares of 1 where it is in percent.
        of: the figure; None: there was nothing to measure.
    """

    metric: str
    title: str
    unit: str
    of: Callable[[Run], float | None]


LOAD_FIGURES = (
    LoadFigure("word_shown.p95", "Word shown, p95", "seconds", lambda run: run.word_shown.p95),
    LoadFigure("final.p95", "End of speech → final, p95", "seconds", lambda run: run.final.p95),
    LoadFigure("errors.wer", "Words wrong", "% of words", lambda run: _hundredfold(run.errors.wer)),
    LoadFigure("finals.missing_share", "Finals missing", "% of ends of speech", lambda run: _finals_missing(run)),
    LoadFigure("goodput.words_share", "Words on time", "% of words", lambda run: _words_on_time(run)),
    LoadFigure(
        "server_load.cores", "Cores busy", "cores", lambda run: run.server_load.cores if run.server_load else None
    ),
)


def load_chart(figure: LoadFigure, results: Sequence[Result]) -> Markup | None:
    """Return a figure against the number of streams, with a line a server; None: no run has it.

    Runs that are not valid have hollow marks. Where the SLO limits the figure, the most streams that met it, the
    capacity, have a vertical line.
    """
    drawn = [(place, result, points) for place, result in enumerate(results) if (points := _points(figure, result))]
    if not drawn:
        return None
    limits = {value for result in results if (value := limit_of(figure, result)) is not None}
    x, y = _axes(figure, [point for _, _, points in drawn for _, point in points], limits)
    contents = []
    for place, result, points in drawn:
        curve = clipped(line([point for _, point in points], x, y))
        marks = _marks(place, result, points, (x, y))
        contents.append(
            element("g", *(_capacity_line(result, x) if limits else ()), curve, *marks, class_=style(place))
        )
    unit = figure.unit.partition(" ")[0].replace("seconds", "s")
    contents += [limit(value, f"SLO {value:g} {unit}", y) for value in sorted(limits)]
    names = ", ".join(result.server.name for _, result, _ in drawn)
    return chart(
        x, y, contents, f"{figure.title} in {figure.unit} against streams: {names}. The summary has the figures."
    )


def limit_of(figure: LoadFigure, result: Result) -> float | None:
    """Return the upper limit of a figure in a result's SLO, in the unit of its chart; None: it has none."""
    expressions = [outcome.expression for run in result.runs for outcome in run.slo]
    for expression in (*(result.capacity.slo if result.capacity else ()), *expressions):
        found = _LIMIT.fullmatch(expression)
        if found and found["metric"] == figure.metric:
            return float(found["value"]) * (100 if figure.unit.startswith("%") else 1)
    return None


def _points(figure: LoadFigure, result: Result) -> list[tuple[Run, Point]]:
    runs = sorted(result.runs, key=lambda run: run.streams)
    values = [(run, figure.of(run)) for run in runs if run.streams > 0]
    return [(run, (float(run.streams), value)) for run, value in values if value is not None]


def _axes(figure: LoadFigure, points: Sequence[Point], limits: set[float]) -> tuple[Axis, Axis]:
    streams = doublings(min(across for across, _ in points), max(across for across, _ in points))
    most = max([up for _, up in points] + list(limits))
    if limits:
        most = min(most, _MAX_RATIO * max(limits))
    low, high = round_range(min(0.0, *(up for _, up in points)), most, _STEPS)
    return (
        Axis("streams", Doubling(streams[0], streams[-1], AREA.left + 8, AREA.right - 8), streams, _whole),
        Axis(figure.unit, Linear(low, high, AREA.bottom, AREA.top), ticks(low, high, _STEPS), _whole),
    )


def _marks(
    place: int, result: Result, points: Sequence[tuple[Run, Point]], axes: tuple[Axis, Axis]
) -> Iterator[Markup]:
    x, y = axes
    for run, (across, up) in points:
        at = (x.scale(across), y.scale(up))
        if at[1] < AREA.top:
            height = AREA.top + 10 + _LABEL_HEIGHT * place
            yield element("text", f"↑ {decimal(up)}", x=at[0], y=height, text_anchor="middle", class_="beyond")
            continue
        kind = "" if run.purpose == "load" else f", {run.purpose}"
        validity = "" if run.clock.valid else ", INVALID"
        yield mark(
            place, at, f"{result.server.name}, {run.streams} streams{kind}{validity}: {up:.2f}", not run.clock.valid
        )


def _capacity_line(result: Result, x: Axis) -> Iterator[Markup]:
    if result.capacity is not None and result.capacity.streams > 0:
        across = min(x.scale(result.capacity.streams), AREA.right)
        title = element("title", f"{result.server.name}: capacity {result.capacity.streams} streams")
        yield element("line", title, x1=across, x2=across, y1=AREA.top, y2=AREA.bottom, class_="capacity")


def _whole(value: float) -> str:
    return f"{value:g}".replace("-", "\u2212")


def _hundredfold(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _finals_missing(run: Run) -> float | None:
    if "finals" in run.withheld or not run.finals.ends_of_speech:
        return None
    return 100 * run.finals.missing / run.finals.ends_of_speech


def _words_on_time(run: Run) -> float | None:
    if "goodput" in run.withheld or not run.goodput.words_due:
        return None
    return 100 * run.goodput.words_on_time / run.goodput.words_due
