"""Tables of the HTML report. PURE."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from clients.bench.report.charts import swatch
from clients.bench.report.figures import NOTHING, count
from clients.bench.report.markup import Markup, element, joined
from clients.bench.report.summary import COLUMNS, Row, best_cells, rows_of, slo_text
from clients.bench.result import Result, Run

__all__ = ["Field", "badge", "figure", "run_table", "scrolling", "server_cell", "summary"]


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a table of runs.

    Attributes:
        heading: with the unit.
        of: the text for a run.
        is_text: whether it is prose rather than a number.
    """

    heading: str
    of: Callable[[Run], str]
    is_text: bool = False


def summary(results: Sequence[Result]) -> Markup:
    """Return the summary of all results: a row a run, the best figures of each load in bold, with a star."""
    rows = rows_of(results)
    best = best_cells(rows)
    body = [
        element(
            "tr",
            *_summary_cells(row, {column for place, column in best if place == number}),
            class_=_row_class(rows, number),
        )
        for number, row in enumerate(rows)
    ]
    return scrolling("Summary", element("table", _summary_head(), element("tbody", *body), class_="summary"))


def run_table(
    caption: str, results: Sequence[Result], fields: Sequence[Field], has: Callable[[Run], bool]
) -> Markup | None:
    """Return a table of the runs that have something; None: none has.

    Args:
        caption: its heading.
        results: with the runs.
        fields: columns after server and streams.
        has: whether a run has a row.
    """
    rows = [row for row in rows_of(results) if has(row.run)]
    if not rows:
        return None
    headings = [element("th", text, scope="col") for text in ("Server", "Streams")]
    headings += [element("th", field.heading, scope="col", class_=None if field.is_text else "num") for field in fields]
    body = [
        element(
            "tr", *_identity(row), *(_field_cell(field, row.run) for field in fields), class_=_row_class(rows, number)
        )
        for number, row in enumerate(rows)
    ]
    table = element("table", element("thead", element("tr", *headings)), element("tbody", *body))
    return joined(element("h3", caption), scrolling(caption, table))


def scrolling(label: str, table: Markup) -> Markup:
    """Return a table that scrolls within itself where the page is too narrow; it takes the focus for the keyboard."""
    return element("div", table, class_="scroll", tabindex="0", role="group", aria_label=label)


def server_cell(place: int, name: str, *notes: str) -> Markup:
    """Return the head of a server's row: its line style, its name, and notes."""
    named = element("span", swatch(place), element("span", element("bdi", name), *notes), class_="name")
    return element("th", named, scope="row", class_="server")


def figure(text: str, is_best: bool = False, also: str = "") -> Markup:
    """Return the cell of a figure; `also`: further classes, each with a space before it."""
    if text == NOTHING:
        return element(
            "td", element("span", NOTHING, aria_hidden="true"), unseen("not measured"), class_=f"num nothing{also}"
        )
    if is_best:
        star = element("span", "★", aria_hidden="true", class_="star")
        return element("td", star, element("strong", text), unseen(" best"), class_=f"num best{also}")
    return element("td", text, class_=f"num{also}")


def badge(text: str, kind: str) -> Markup:
    """Return a verdict: `good`, `bad` or `plain`."""
    return element("span", text, class_=f"badge {kind}")


def unseen(text: str) -> Markup:
    """Return a text for screen readers."""
    return element("span", text, class_="unseen")


def _summary_head() -> Markup:
    groups: list[tuple[str, int]] = []
    for column in COLUMNS:
        if groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    fixed = (element("th", text, scope="col", rowspan="2") for text in ("Server", "Streams"))
    spans = (element("th", text, scope="colgroup", colspan=str(width), class_="group") for text, width in groups)
    last = (element("th", text, scope="col", rowspan="2") for text in ("Clock", "SLO"))
    second = (
        element("th", column.heading, *_unit(column.unit), scope="col", class_=f"num{_edge(number)}")
        for number, column in enumerate(COLUMNS)
    )
    return element("thead", element("tr", *fixed, *spans, *last), element("tr", *second))


def _unit(unit: str | None) -> Iterable[Markup]:
    return [] if unit is None else [element("span", f" {unit}", class_="unit")]


def _edge(number: int) -> str:
    """Return the class of columns that begin a group."""
    return " edge" if number == 0 or COLUMNS[number].group != COLUMNS[number - 1].group else ""


def _summary_cells(row: Row, best: set[int]) -> Iterable[Markup]:
    yield from _identity(row)
    for number, column in enumerate(COLUMNS):
        yield figure(column.cell(row.run), number in best, _edge(number))
    clock = badge("valid", "good") if row.run.clock.valid else badge("✕ INVALID", "bad")
    yield element("td", clock)
    text = slo_text(row.run)
    yield element("td", badge(text, "good" if text == "met" else "bad") if text else NOTHING)


def _identity(row: Row) -> Iterable[Markup]:
    yield server_cell(row.place, row.result.server.name)
    note = [] if row.run.purpose == "load" else [" ", badge(row.run.purpose, "plain")]
    yield element("td", count(row.run.streams), *note, class_="streams")


def _field_cell(field: Field, run: Run) -> Markup:
    text = field.of(run)
    return element("td", text, class_="prose") if field.is_text else figure(text)


def _row_class(rows: Sequence[Row], number: int) -> str | None:
    """Return the classes of a row: whether it is invalid, and whether it begins another load."""
    run = rows[number].run
    begins = number > 0 and rows[number - 1].run.streams != run.streams
    names = [name for name, holds in (("invalid", not run.clock.valid), ("begins", begins)) if holds]
    return " ".join(names) or None
