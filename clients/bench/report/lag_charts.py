"""Charts of lags: their distributions, and how they change over time, with a line a server. PURE."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clients.bench.report.charts import AREA, Axis, Point, band, chart, clipped, line, mark, steps, style
from clients.bench.report.figures import percent, seconds
from clients.bench.report.lags import Distribution, Interval, Lag, distribution, over_time, share_within
from clients.bench.report.markup import Markup, element
from clients.bench.report.scale import Linear, round_range, ticks
from clients.bench.result import Percentiles, Run

__all__ = ["Measured", "distribution_chart", "over_time_chart"]

_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)

_STEPS = 6
"""Of the axes, at most."""

_TAIL = 0.99
"""Share of the words that the horizontal axis covers; single words are seconds late, and would squeeze the others."""

_MAX_RATIO = 5.0
"""Of the axis to the p95 of the fastest server: slower ones run out of the chart, rather than squeeze it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The runs of one server at one load.

    Attributes:
        place: of the server in the report.
        name: of the server.
        runs: at that load.
    """

    place: int
    name: str
    runs: Sequence[Run]


def distribution_chart(lag: Lag, servers: Sequence[Measured]) -> Markup | None:
    """Return the distributions of a lag over the words, with marks at p50 and p95; None: no server has any."""
    found = [(server, distribution(lag, server.runs)) for server in servers if not _is_withheld(lag.metric, server)]
    drawn = [(server, values) for server, values in found if values.points]
    if not drawn:
        return None
    low, high = _range_of([values for _, values in drawn])
    x = Axis("lag in seconds", Linear(low, high, AREA.left, AREA.right), ticks(low, high, _STEPS), _short)
    y = Axis("% of words", Linear(0, 1, AREA.bottom, AREA.top), _QUARTERS, lambda share: f"{100 * share:.0f}")
    curves = [
        element(
            "g",
            clipped(line([*steps(values.points), (max(high, values.points[-1][0]), values.points[-1][1])], x, y)),
            *_percentile_marks(lag, server, values, (x, y)),
            class_=style(server.place),
        )
        for server, values in drawn
    ]
    names = ", ".join(server.name for server, _ in drawn)
    return chart(
        x, y, curves, f"{lag.title}: share of words against lag, {names}. The table below has the percentiles."
    )


def over_time_chart(servers: Sequence[Measured]) -> Markup | None:
    """Return the median lag of the display over time, within the range of the streams; None: there are no lags."""
    measured = [server for server in servers if not _is_withheld("word_shown", server)]
    found = [(server, over_time([stream for run in server.runs for stream in run.per_stream])) for server in measured]
    drawn = [(server, intervals) for server, intervals in found if intervals]
    if not drawn:
        return None
    last_s = max(intervals[-1].middle_s for _, intervals in drawn)
    medians = [interval.median for _, intervals in drawn for interval in intervals]
    start, end = round_range(0.0, last_s, _STEPS)
    low, high = round_range(min(0.0, *medians), max(medians), _STEPS)
    x = Axis("time in the audio, seconds", Linear(start, end, AREA.left, AREA.right), ticks(start, end, _STEPS), _short)
    y = Axis("lag in seconds", Linear(low, high, AREA.bottom, AREA.top), ticks(low, high, _STEPS), _short)
    curves = [
        element("g", clipped(*_course(intervals, x, y)), class_=style(server.place)) for server, intervals in drawn
    ]
    names = ", ".join(server.name for server, _ in drawn)
    return chart(x, y, curves, f"Median lag of displayed words over the time in the audio: {names}.")


def _is_withheld(metric: str, server: Measured) -> bool:
    return any(metric in run.withheld for run in server.runs)


def _range_of(distributions: Sequence[Distribution]) -> Point:
    """Return the range of the horizontal axis."""
    lowest = min(values.points[0][0] for values in distributions)
    highest = max(_lag_of_share(values, _TAIL) for values in distributions)
    fastest = min(_lag_of_share(values, 0.95) for values in distributions)
    cut = min(highest, _MAX_RATIO * fastest) if fastest > 0 else highest
    return round_range(min(0.0, lowest), max(cut, 0.0), _STEPS)


def _lag_of_share(values: Distribution, share: float) -> float:
    """Return the lag within which a share of the measured words are."""
    return values.points[min(len(values.points) - 1, int(share * len(values.points)))][0]


def _percentile_marks(lag: Lag, server: Measured, values: Distribution, axes: tuple[Axis, Axis]) -> Iterator[Markup]:
    """Yield marks at p50 and p95 where they are within the axis; several runs at the same load have no common ones."""
    if len(server.runs) != 1:
        return
    x, y = axes
    found: Percentiles = lag.percentiles(server.runs[0])
    for name, lag_s, is_hollow in (("p50", found.p50, True), ("p95", found.p95, False)):
        if lag_s is not None and x.scale(lag_s) <= AREA.right:
            share = share_within(values, lag_s)
            title = f"{server.name}: {name} {seconds(lag_s)} s, {percent(share)} % of all spoken words"
            yield mark(server.place, (x.scale(lag_s), y.scale(share)), title, is_hollow)


def _course(intervals: Sequence[Interval], x: Axis, y: Axis) -> Iterator[Markup]:
    low = [(interval.middle_s, interval.low) for interval in intervals]
    high = [(interval.middle_s, interval.high) for interval in intervals]
    yield band(low, high, x, y)
    yield line([(interval.middle_s, interval.median) for interval in intervals], x, y)


def _short(value: float) -> str:
    return f"{value:g}".replace("-", "\u2212")
