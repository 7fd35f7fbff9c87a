"""The report as one page of HTML, which requests nothing. PURE."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, count

from msgspec.structs import replace

from clients.bench.report import detail_tables, overview, setup_section
from clients.bench.report.lag_section import lag_blocks, legend
from clients.bench.report.markup import Markup, element, joined
from clients.bench.report.tables import summary
from clients.bench.report.timeline_section import timeline_blocks, timeline_key
from clients.bench.result import Result

__all__ = ["Assets", "page"]


@dataclass(frozen=True, slots=True)
class Assets:
    """What the page contains besides markup: neither may contain `<` or `&`, so that it is valid as HTML and as XML."""

    style: str
    script: str


def page(results: Sequence[Result], assets: Assets) -> str:
    """Return the report.

    Args:
        results: one or more.
        assets: style and script, which the content security policy names by their hashes.
    """
    results = _distinguished(results)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(assets)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", overview.title_of(results)),
        element("link", rel="icon", href="data:,"),
        element("style", Markup(assets.style)),
    )
    script = element("script", Markup(assets.script))
    return f"<!DOCTYPE html>\n{element('html', head, element('body', _main(results), script), lang='en')}\n"


def _main(results: Sequence[Result]) -> Markup:
    sections = list(_sections(results))
    links = (element("li", element("a", title, href=f"#{name}")) for name, title, _ in sections)
    return element(
        "main",
        overview.heading(results),
        *overview.warnings(results),
        overview.cards(results),
        element("nav", element("ul", *links), aria_label="Sections"),
        *(element("section", element("h2", title, id=name), content) for name, title, content in sections),
    )


def _sections(results: Sequence[Result]) -> Iterator[tuple[str, str, Markup]]:
    """Yield id, title and content of the sections that have something to show."""
    yield "summary", "Summary", joined(summary(results), _explained())
    load = joined(*overview.load_charts(results))
    if load:
        yield "load", "Load and capacity", load
    lags = joined(*lag_blocks(results))
    if lags:
        marks = (
            "Hollow marks: p50; full ones: p95. A curve that ends below 100 %: the other words were never displayed."
        )
        yield "lags", "Lags", joined(_note(marks), legend(results), _choices("Streams", "buttons", lags))
    timelines = joined(*timeline_blocks(results))
    if timelines:
        yield "timeline", "Timeline", joined(timeline_key(), _choices("Stream", "menu", timelines))
    yield from _detail_sections(results)


def _detail_sections(results: Sequence[Result]) -> Iterator[tuple[str, str, Markup]]:
    found: Iterable[tuple[str, str, Sequence[Markup]]] = (
        ("accuracy", "Words", detail_tables.accuracy(results)),
        ("delivery", "Finals and delivery", detail_tables.delivery(results)),
        ("server-load", "Server load", detail_tables.server_load(results)),
        ("clock", "Validity", detail_tables.clock(results)),
        ("withheld", "Not measured", [setup_section.withheld(results)]),
        ("setup", "Setup", [element("div", *setup_section.setups(results), class_="boxes")]),
        ("testset", "Test set", list(setup_section.testsets(results))),
        ("definitions", "Definitions", [setup_section.definitions()]),
    )
    for name, title, contents in found:
        if contents:
            yield name, title, joined(*contents)


def _choices(label: str, kind: str, blocks: Markup) -> Markup:
    """Return blocks of which the script shows one at a time; without it, all are there, one after another."""
    return element("div", blocks, class_="choices", data_label=label, data_kind=kind)


def _explained() -> Markup:
    star = element("span", "★", class_="star")
    return element("p", star, " best of the valid runs at the same load. – not measured.", class_="note")


def _note(text: str) -> Markup:
    return element("p", text, class_="note")


def _distinguished(results: Sequence[Result]) -> list[Result]:
    """Return results whose servers have different names: the second of a name gets ` (2)`."""
    named: dict[str, Result] = {}
    for result in results:
        own = result.server.name
        numbered = chain([own], (f"{own} ({number})" for number in count(2)))
        name = next(name for name in numbered if name not in named)
        named[name] = replace(result, server=replace(result.server, name=name))
    return list(named.values())


def _policy(assets: Assets) -> str:
    style, script = (b64encode(sha256(text.encode()).digest()).decode() for text in (assets.style, assets.script))
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
