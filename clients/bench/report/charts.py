"""Charts as SVG: axes with round ticks, lines, bands, marks and limits. PURE.

Colours and line styles come from classes, so that one drawing serves light and dark pages: `s0` to `s5` is a server.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import cos, sin, tau

from clients.bench.report.markup import Markup, element, joined
from clients.bench.report.scale import Scale

__all__ = [
    "AREA",
    "STYLES",
    "Area",
    "Axis",
    "Point",
    "band",
    "chart",
    "clipped",
    "limit",
    "line",
    "mark",
    "steps",
    "style",
    "swatch",
]

Point = tuple[float, float]
"""A value on the horizontal axis, and one on the vertical axis."""

STYLES = 6
"""Colours and line styles that can be distinguished; more servers repeat them."""


@dataclass(frozen=True, slots=True)
class Area:
    """A drawing, and the area between its axes, in units of the drawing."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float


AREA = Area(width=400, height=236, left=46, right=388, top=20, bottom=194)

_LINE_WIDTH = 2.0

_CIRCLE = tuple((4.3 * cos(tau * part / 16), 4.3 * sin(tau * part / 16)) for part in range(16))

_SHAPES: tuple[tuple[Point, ...], ...] = (
    _CIRCLE,
    ((-4, -4), (4, -4), (4, 4), (-4, 4)),
    ((0, -5.5), (5.5, 4), (-5.5, 4)),
    ((0, -6), (6, 0), (0, 6), (-6, 0)),
    ((-5.5, -4), (5.5, -4), (0, 5.5)),
    ((-6, -2.5), (6, -2.5), (6, 2.5), (-6, 2.5)),
)
"""Of the marks of each style, as corners around their middle."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis.

    Attributes:
        label: with the unit.
        scale: from values to positions.
        ticks: values.
        text: of a tick.
    """

    label: str
    scale: Scale
    ticks: Sequence[float]
    text: Callable[[float], str]


def style(place: int) -> str:
    """Return the class of the server at a place of the report."""
    return f"s{place % STYLES}"


def chart(x: Axis, y: Axis, contents: Iterable[Markup], description: str) -> Markup:
    """Return a chart.

    Args:
        x, y: axes, scaled to `AREA`.
        contents: drawn over the axes.
        description: for those who cannot see it.
    """
    return element(
        "svg",
        *_vertical_axis(y),
        *_horizontal_axis(x),
        *contents,
        viewBox=f"0 0 {AREA.width:g} {AREA.height:g}",
        role="img",
        aria_label=description,
        class_="chart",
    )


def line(points: Iterable[Point], x: Axis, y: Axis) -> Markup:
    """Return the line through points."""
    return element("path", d=_path(points, x, y), class_="line")


def steps(points: Sequence[Point]) -> list[Point]:
    """Return the corners of the staircase that rises at points, as an empirical distribution does."""
    corners: list[Point] = []
    for (at, height), (_, before) in zip(points, [(0.0, 0.0), *points], strict=False):
        corners += [(at, before), (at, height)]
    return corners


def band(low: Sequence[Point], high: Sequence[Point], x: Axis, y: Axis) -> Markup:
    """Return the area between two lines."""
    return element("path", d=_path([*low, *reversed(high)], x, y) + "Z", class_="band")


def mark(place: int, at: Point, title: str, is_hollow: bool = False) -> Markup:
    """Return a mark in the shape of a server.

    Args:
        place: of the server in the report.
        at: position, in units of the drawing.
        title: what it marks, as a tooltip.
        is_hollow: whether only its outline is drawn.
    """
    outline = _outline(_SHAPES[place % STYLES], at)
    return element("path", element("title", title), d=outline, class_="mark hollow" if is_hollow else "mark")


def clipped(*contents: Markup) -> Markup:
    """Return contents, cut off at the edges of the area between the axes."""
    left, top = AREA.left - _LINE_WIDTH, AREA.top - _LINE_WIDTH
    width, height = AREA.right + _LINE_WIDTH - left, AREA.bottom + _LINE_WIDTH - top
    box = f"{left:g} {top:g} {width:g} {height:g}"
    return element("svg", *contents, x=left, y=top, width=width, height=height, viewBox=box, class_="clip")


def limit(value: float, text: str, y: Axis) -> Markup:
    """Return a horizontal line at a limit, with its text above its right end."""
    height = y.scale(value)
    return joined(
        element("line", x1=AREA.left, x2=AREA.right, y1=height, y2=height, class_="limit"),
        element("text", text, x=AREA.right, y=height - 4, text_anchor="end", class_="limit-text"),
    )


def _vertical_axis(axis: Axis) -> list[Markup]:
    parts = [element("text", axis.label, x=0.0, y=9.0, class_="axis-label")]
    for tick in axis.ticks:
        height = axis.scale(tick)
        parts.append(element("line", x1=AREA.left, x2=AREA.right, y1=height, y2=height, class_="grid"))
        parts.append(element("text", axis.text(tick), x=AREA.left - 7, y=height + 4, text_anchor="end"))
    return parts


def _horizontal_axis(axis: Axis) -> list[Markup]:
    parts = [element("line", x1=AREA.left, x2=AREA.right, y1=AREA.bottom, y2=AREA.bottom, class_="axis")]
    for tick in axis.ticks:
        place = axis.scale(tick)
        parts.append(element("line", x1=place, x2=place, y1=AREA.bottom, y2=AREA.bottom + 4, class_="axis"))
        parts.append(element("text", axis.text(tick), x=place, y=AREA.bottom + 18, text_anchor="middle"))
    middle = (AREA.left + AREA.right) / 2
    parts.append(element("text", axis.label, x=middle, y=AREA.height - 4, text_anchor="middle", class_="axis-label"))
    return parts


def _path(points: Iterable[Point], x: Axis, y: Axis) -> str:
    return "M" + "L".join(f"{x.scale(across):.1f} {y.scale(up):.1f}" for across, up in points)


def swatch(place: int) -> Markup:
    """Return the line and the mark of a server, small, for legends and tables."""
    stroke = element("path", d="M0 7L34 7", class_="line")
    shape = element("path", d=_outline(_SHAPES[place % STYLES], (17, 7)), class_="mark")
    drawn = element("g", stroke, shape, class_=style(place))
    return element("svg", drawn, viewBox="0 0 34 14", width="34", height="14", class_="swatch", aria_hidden="true")


def _outline(corners: Sequence[Point], at: Point) -> str:
    return "M" + "L".join(f"{at[0] + across:.1f} {at[1] + down:.1f}" for across, down in corners) + "Z"
