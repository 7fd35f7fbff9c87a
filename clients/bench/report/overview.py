"""The head of the report: servers, their key figures, warnings, and capacity. PURE."""

from collections.abc import Iterator, Sequence

from clients.bench.report.charts import swatch
from clients.bench.report.figures import NOTHING, count, duration, percent, seconds, streams_text
from clients.bench.report.lag_section import legend
from clients.bench.report.load_charts import LOAD_FIGURES, LoadFigure, limit_of, load_chart
from clients.bench.report.markup import Markup, element
from clients.bench.report.tables import figure, scrolling, server_cell
from clients.bench.result import Capacity, Result, Run

__all__ = ["cards", "heading", "load_charts", "title_of", "warnings"]


def title_of(results: Sequence[Result]) -> str:
    """Return the title of the report, with the names of the servers."""
    return f"Streaming transcription: {', '.join(result.server.name for result in results)}"


def heading(results: Sequence[Result]) -> Markup:
    """Return the head of the page."""
    first = results[0]
    names = [element("bdi", result.server.name) for result in results]
    audio_s = sum(recording.duration_s for recording in first.testset.recordings)
    words = sum(recording.words for recording in first.testset.recordings)
    facts = (
        f"Test set {first.testset.name}: {count(len(first.testset.recordings))} recordings, {duration(audio_s)}, "
        f"{count(words)} words · normaliser {first.testset.normaliser} · {first.created_at[:10]}"
    )
    between = [part for name in names for part in (element("span", " · ", class_="dot"), name)][1:]
    return element(
        "header",
        element("p", "Streaming transcription, measured in real time", class_="eyebrow"),
        element("h1", *between),
        element("p", facts, class_="note"),
    )


def cards(results: Sequence[Result]) -> Markup:
    """Return a card a server, with its key figures at the lowest load of its valid runs."""
    return element("div", *(_card(place, result) for place, result in enumerate(results)), class_="cards")


def warnings(results: Sequence[Result]) -> Iterator[Markup]:
    """Yield what a reader must know before he compares: invalid runs, and different test sets."""
    for result in results:
        for run in result.runs:
            if not run.clock.valid:
                reasons = "; ".join(run.clock.reasons) or "no reason given"
                text = f" at {streams_text(run.streams)} ({run.purpose}): {reasons}. Its figures do not count."
                yield _warning(element("strong", "Invalid run"), ": ", element("bdi", result.server.name), text)
    if len({(result.testset.sha256, result.testset.normaliser_sha256) for result in results}) > 1:
        yield _warning("The results have different test sets or normalisers: their figures must not be compared.")


def load_charts(results: Sequence[Result]) -> Iterator[Markup]:
    """Yield the figures against load, and the table of capacity; nothing where there is one load and no capacity."""
    loads = {run.streams for result in results for run in result.runs}
    capacities = [(place, result, result.capacity) for place, result in enumerate(results) if result.capacity]
    if len(loads) > 1:
        yield legend(results)
        figures = (drawn for known in LOAD_FIGURES if (drawn := _load_figure(known, results)) is not None)
        yield element("div", *figures, class_="grid")
    if capacities:
        yield _capacity_table(capacities)


def _card(place: int, result: Result) -> Markup:
    server = result.server
    model = f"{server.dialect} · {server.model}" if server.model else server.dialect
    runs = [run for run in result.runs if run.purpose == "load"] or list(result.runs)
    run = min(runs, key=lambda run: (not run.clock.valid, run.streams), default=None)
    load = "" if run is None else f" · at {streams_text(run.streams)}{'' if run.clock.valid else ' · INVALID'}"
    key = [] if run is None else list(_key_figures(run))
    if result.capacity is not None:
        key.append(_key("Capacity", count(result.capacity.streams), "streams"))
    head = element("h2", swatch(place), element("bdi", server.name))
    return element("article", head, element("p", model, load, class_="note"), element("dl", *key), class_="card")


def _key_figures(run: Run) -> Iterator[Markup]:
    yield _key("Words wrong", percent(run.errors.wer), "%")
    yield _key("Shown, p95", seconds(run.word_shown.p95), "s")
    yield _key("Final, p95", seconds(run.final.p95), "s")


def _key(term: str, value: str, unit: str) -> Markup:
    number = [element("strong", value), *([] if value == NOTHING else [" ", element("span", unit)])]
    return element("div", element("dt", term), element("dd", *number))


def _warning(*parts: str) -> Markup:
    return element("p", *parts, class_="warning")


def _load_figure(known: LoadFigure, results: Sequence[Result]) -> Markup | None:
    drawn = load_chart(known, results)
    if drawn is None:
        return None
    limited = any(limit_of(known, result) is not None for result in results)
    sought = any(result.capacity is not None for result in results)
    key = f"by streams; red: limit{'; dotted: capacity' if sought else ''}" if limited else "by streams"
    caption = element("figcaption", element("strong", known.title), element("span", key))
    return element("figure", caption, drawn)


def _capacity_table(found: Sequence[tuple[int, Result, Capacity]]) -> Markup:
    headings = (
        "capacity, streams",
        "overload, streams",
        "words on time, %",
        "refused",
        "finals missing",
        "recovery, s",
    )
    head = (element("th", text, scope="col", class_="num") for text in headings)
    first, last = (element("th", text, scope="col") for text in ("Server", "SLO"))
    rows = (element("tr", *_capacity_cells(place, result, capacity)) for place, result, capacity in found)
    table = element("table", element("thead", element("tr", first, *head, last)), element("tbody", *rows))
    return element("div", element("h3", "Capacity"), scrolling("Capacity", table), class_="part")


def _capacity_cells(place: int, result: Result, capacity: Capacity) -> Iterator[Markup]:
    yield server_cell(place, result.server.name)
    yield figure(count(capacity.streams))
    yield figure(count(capacity.overload_streams))
    yield figure(percent(capacity.overload_goodput))
    yield figure(count(capacity.overload_refused))
    yield figure(count(capacity.overload_finals_missing))
    yield figure(seconds(capacity.recovery_s))
    yield element("td", " and ".join(capacity.slo) or NOTHING, class_="prose")
