"""The section of timelines: streams of each run, word by word, with what was corrected. PURE."""

from collections.abc import Iterator, Sequence

from clients.bench.report.differences import Change, differences
from clients.bench.report.figures import count, seconds, streams_text
from clients.bench.report.markup import Markup, element, joined
from clients.bench.report.summary import main_runs
from clients.bench.report.tables import scrolling
from clients.bench.report.timeline import MAX_WORDS, Panel, layout, panels, timeline
from clients.bench.result import Correction, Result, Run, Stream

__all__ = ["timeline_blocks", "timeline_key"]

_MAX_OPEN = 4
"""Corrections of an utterance that are listed at once; more are folded."""

_ELEMENTS = {Change.KEPT: "span", Change.REMOVED: "del", Change.ADDED: "ins"}

_KEY = (
    ("spoken", "spoken"),
    ("waiting", "nothing displayed yet"),
    ("unsteady", "displayed, but taken back"),
    ("tentative", "displayed from now on"),
    ("committed", "committed"),
    ("final", "final"),
    ("correction", "a displayed text changed"),
)


def timeline_blocks(results: Sequence[Result]) -> Iterator[Markup]:
    """Yield a block for the typical and the slowest stream of each run; a reader chooses one of them."""
    for result in results:
        for run in main_runs(result):
            for kind, stream in _chosen(run):
                purpose = "" if run.purpose == "load" else f", {run.purpose}"
                name = f"{result.server.name}, {streams_text(run.streams)}{purpose}: {kind}"
                yield element("div", element("h3", name), *_block(stream), class_="choice", data_name=name)


def timeline_key() -> Markup:
    """Return what the bars mean."""
    entries = (element("li", _sample(kind), text) for kind, text in _KEY)
    words = (
        element("li", element("span", "word", class_="missing"), " in no final"),
        element(
            "li",
            element("span", "word", class_="replaced"),
            " ",
            element("span", "other", class_="replacement"),
            " in its place",
        ),
        element("li", element("span", "+ word", class_="inserted"), " not spoken"),
    )
    return element("ul", *entries, *words, class_="legend key")


def _chosen(run: Run) -> list[tuple[str, Stream]]:
    """Return the stream with the median of mean lags, and the one with the highest; of one stream only this."""
    if "word_final" in run.withheld:  # the times of the spoken words are unknown
        return []
    ordered = sorted((stream for stream in run.per_stream if stream.words), key=_mean_lag_s)
    if len(ordered) < 2:
        return [("the stream", stream) for stream in ordered]
    return [("typical stream", ordered[(len(ordered) - 1) // 2]), ("slowest stream", ordered[-1])]


def _mean_lag_s(stream: Stream) -> float:
    lags = [word.shown_s - word.end_s for word in stream.words if word.shown_s is not None]
    return sum(lags) / len(lags) if lags else float("inf")


def _block(stream: Stream) -> Iterator[Markup]:
    drawn = panels(stream)
    cut = (
        f" The first {MAX_WORDS} of {count(len(stream.words))} words; the CSV has all."
        if len(stream.words) > MAX_WORDS
        else ""
    )
    failure = f" It failed: {stream.failure}." if stream.failure else ""
    yield element(
        "p", f"Stream {stream.stream}, recording ", element("bdi", stream.recording), f".{failure}{cut}", class_="note"
    )
    for stretch in stream.unanswered:
        span = f"{seconds(stretch.start_s)}–{seconds(stretch.end_s)} s"
        yield element("p", f"No final has a word of {span}: {count(stretch.words)} words.", class_="bad-text")
    common = layout(drawn)
    for number, panel in enumerate(drawn, start=1):
        drawing = scrolling(f"Timeline, part {number}", timeline(panel, common))
        yield element("div", drawing, *_corrections(panel), class_="panel")


def _corrections(panel: Panel) -> Iterator[Markup]:
    entries = [_correction(correction) for correction in panel.corrections]
    if not entries:
        return
    listed = element("ol", *entries, class_="corrections")
    if len(entries) <= _MAX_OPEN:
        yield listed
    else:
        yield element("details", element("summary", f"{count(len(entries))} corrections"), listed)


def _correction(correction: Correction) -> Markup:
    pieces = [
        element(_ELEMENTS[piece.change], piece.text) for piece in differences(correction.before, correction.after)
    ]
    spaced = [joined(" ", piece) if place else piece for place, piece in enumerate(pieces)]
    time = element("span", f"{seconds(correction.at_s)} s", class_="time")
    by = [element("span", "by the final", class_="badge plain"), " "] if correction.by_final else []
    return element("li", time, " ", element("span", *by, *spaced, dir="auto"))


def _sample(kind: str) -> Markup:
    """Return a bar of a kind, small."""
    shapes = {
        "spoken": element("rect", x="0", y="2", width="26", height="10", class_=kind),
        "waiting": element("rect", x="0", y="6", width="26", height="1.5", class_=kind),
        "final": element("rect", x="12", y="0", width="2.4", height="14", class_=kind),
        "correction": joined(
            element("line", x1="13", x2="13", y1="3", y2="14", class_=kind),
            element("path", d="M9 0h8l-4 7Z", class_="correction-mark"),
        ),
    }
    bar = element("rect", x="0", y="3.5", width="26", height="7", class_=kind)
    drawn = shapes.get(kind, bar)
    return element("svg", drawn, viewBox="0 0 26 14", width="26", height="14", class_="swatch", aria_hidden="true")
