"""The timeline of a stream: a row a word, from when it was spoken until it was final. PURE."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clients.bench.report.differences import inserted_words, is_substituted
from clients.bench.report.figures import seconds
from clients.bench.report.markup import Markup, element
from clients.bench.report.scale import Linear, ticks
from clients.bench.result import Correction, Stream, Word

__all__ = ["MAX_WORDS", "Layout", "Panel", "layout", "panels", "timeline"]

MAX_WORDS = 160
"""Of a timeline; about a minute of speech. More is for the CSV."""

_MAX_ROWS = 40
"""Of a panel, where somebody speaks without a pause."""

_WIDTH, _RIGHT = 760.0, 750.0
_TOP, _ROW, _FOOT = 20.0, 18.0, 34.0

_MAX_LETTERS = 23
"""Of a word in the margin."""

_LETTER, _GAP = 6.4, 10.0
"""Width of a letter, at most as an average, and between the margin and the bars."""

_MISSING = " missing"

_TICKS = 12

_MIN_SPAN_S, _SLACK = 1.0, 1.03
"""Of the time axis: at least, and how much longer than the longest utterance."""


@dataclass(frozen=True, slots=True)
class Panel:
    """An utterance, or a part of a long one.

    Attributes:
        words: spoken, at least one.
        inserted: words written that nobody spoke → by the number of words of the panel before them.
        corrections: of displayed texts, while it was on its way.
    """

    words: tuple[Word, ...]
    inserted: dict[int, tuple[str, ...]]
    corrections: tuple[Correction, ...]

    @property
    def start_s(self) -> float:
        """Return when its first word begins."""
        return self.words[0].start_s

    @property
    def end_s(self) -> float:
        """Return when nothing changes any more."""
        times = (time for word in self.words for time in (word.end_s, word.first_shown_s, word.shown_s, word.final_s))
        return max(time for time in times if time is not None)


def panels(stream: Stream) -> tuple[Panel, ...]:
    """Return the first words of a stream in panels, one an utterance."""
    inserted = inserted_words(stream.words, stream.transcript)
    cuts = [0]
    for place, word in enumerate(stream.words[:MAX_WORDS], start=1):
        if word.ends_speech or place - cuts[-1] == _MAX_ROWS:
            cuts.append(place)
    last = min(len(stream.words), MAX_WORDS)
    ends = [*cuts[1:], *([last] if cuts[-1] < last else [])]
    return tuple(_panel(stream, cut, end, inserted) for cut, end in zip(cuts, ends, strict=False))


@dataclass(frozen=True, slots=True)
class Layout:
    """What all panels of a stream have in common, so that they can be compared.

    Attributes:
        left: where time begins, in units of the drawing; words stand before it.
        span_s: seconds from there to the right edge.
    """

    left: float
    span_s: float


def layout(drawn: Sequence[Panel]) -> Layout:
    """Return the layout into which all panels, at least one, fit."""
    letters = max(_letters(row) for panel in drawn for row in _rows(panel))
    span_s = max(panel.end_s - panel.start_s for panel in drawn)
    return Layout(letters * _LETTER + 2 * _GAP, max(span_s, _MIN_SPAN_S) * _SLACK)


def timeline(panel: Panel, common: Layout) -> Markup:
    """Return the drawing of a panel."""
    rows = list(_rows(panel))
    height = _TOP + _ROW * len(rows) + _FOOT
    scale = Linear(panel.start_s, panel.start_s + common.span_s, common.left, _RIGHT)
    bottom = height - _FOOT
    return element(
        "svg",
        *_time_axis(scale, bottom, height),
        *(_correction_mark(correction, scale, bottom) for correction in panel.corrections),
        *(_drawn(row, scale, _TOP + _ROW * (place + 0.5)) for place, row in enumerate(rows)),
        viewBox=f"0 0 {_WIDTH:g} {height:g}",
        role="img",
        aria_label=f"Words spoken from {seconds(panel.start_s)} s on, and when each was displayed.",
        class_="timeline",
    )


def _panel(stream: Stream, cut: int, end: int, inserted: dict[int, tuple[str, ...]]) -> Panel:
    words = tuple(stream.words[cut:end])
    next_s = stream.words[end].start_s if end < len(stream.words) else float("inf")
    first_s = words[0].start_s if cut else float("-inf")
    last = end + 1 if end == len(stream.words) else end
    return Panel(
        words,
        {place - cut: texts for place, texts in inserted.items() if cut <= place < last},
        tuple(correction for correction in stream.corrections if first_s <= correction.at_s < next_s),
    )


def _rows(panel: Panel) -> Iterator[Word | str]:
    """Yield spoken words, and the texts of inserted ones between them."""
    for place in range(len(panel.words) + 1):
        yield from panel.inserted.get(place, ())
        yield from panel.words[place : place + 1]


def _time_axis(scale: Linear, bottom: float, height: float) -> Iterator[Markup]:
    for tick in ticks(scale.low, scale.high, _TICKS):
        place = scale(tick)
        yield element("line", x1=place, x2=place, y1=_TOP - 4, y2=bottom, class_="grid")
        yield element("text", f"{tick:g}", x=place, y=bottom + 14, text_anchor="middle")
    label = "time in the audio, seconds"
    yield element("text", label, x=_RIGHT, y=height - 4, text_anchor="end", class_="axis-label")


def _correction_mark(correction: Correction, scale: Linear, bottom: float) -> Markup:
    place = min(scale(correction.at_s), _RIGHT)
    title = f"{seconds(correction.at_s)} s: “{correction.before}” became “{correction.after}”"
    return element(
        "g",
        element("title", title),
        element("line", x1=place, x2=place, y1=_TOP - 6, y2=bottom, class_="correction"),
        element("path", d=f"M{place - 4:.1f} {_TOP - 12:g}h8l-4 7Z", class_="correction-mark"),
    )


def _drawn(row: Word | str, scale: Linear, middle: float) -> Markup:
    if isinstance(row, str):
        return _inserted_row(row, scale.start, middle)
    spoken = element(
        "rect",
        x=scale(row.start_s),
        y=middle - 5,
        width=scale(row.end_s) - scale(row.start_s),
        height=10.0,
        class_="spoken",
    )
    return element(
        "g", element("title", _story(row)), *_label(row, scale.start, middle), *_displayed(row, scale, middle), spoken
    )


def _inserted_row(text: str, left: float, middle: float) -> Markup:
    return element(
        "text",
        element("title", f"“{text}” was written, but not spoken"),
        element("tspan", f"+ {_cut(text)}", class_="inserted"),
        x=left - _GAP,
        y=middle + 4,
        text_anchor="end",
    )


def _label(word: Word, left: float, middle: float) -> Iterator[Markup]:
    """Yield the word in the margin: as spoken, struck through where it is missing, with what replaced it."""
    if word.written is None:
        parts = [element("tspan", _cut(word.text), class_="missing"), element("tspan", _MISSING, class_="remark")]
    elif is_substituted(word):
        half = _MAX_LETTERS // 2
        replaced = element("tspan", _cut(word.text, half), class_="replaced")
        parts = [replaced, element("tspan", f" {_cut(word.written, half)}", class_="replacement")]
    else:
        parts = [element("tspan", _cut(word.text))]
    yield element("text", *parts, x=left - _GAP, y=middle + 4, text_anchor="end")


def _letters(row: Word | str) -> int:
    """Return the length of the text in the margin."""
    if isinstance(row, str):
        return min(len(row), _MAX_LETTERS) + len("+ ")
    if row.written is None:
        return min(len(row.text), _MAX_LETTERS) + len(_MISSING)
    replacement = len(row.written) + 1 if is_substituted(row) else 0
    return min(len(row.text) + replacement, _MAX_LETTERS)


def _displayed(word: Word, scale: Linear, middle: float) -> Iterator[Markup]:
    """Yield the bars from the end of the word until it is final."""
    shown = [time for time in (word.first_shown_s, word.shown_s) if time is not None]
    if not shown:
        return
    first_s, stays_s = min(shown), max(shown)
    if first_s > word.end_s:
        yield _bar("waiting", (word.end_s, first_s), scale, middle, 1.5)
    yield _bar("unsteady", (first_s, stays_s), scale, middle, 7.0)
    final_s = word.final_s if word.final_s is not None else stays_s
    committed_s = min(word.committed_s if word.committed_s is not None else final_s, final_s)
    yield _bar("tentative", (stays_s, committed_s), scale, middle, 7.0)
    yield _bar("committed", (committed_s, final_s), scale, middle, 7.0)
    if word.final_s is not None:
        yield element("rect", x=scale(final_s) - 1.2, y=middle - 6.5, width=2.4, height=13.0, class_="final")


def _bar(kind: str, span_s: tuple[float, float], scale: Linear, middle: float, height: float) -> Markup:
    start, end = scale(span_s[0]), scale(span_s[1])
    return element("rect", x=start, y=middle - height / 2, width=max(0.0, end - start), height=height, class_=kind)


def _story(word: Word) -> str:
    """Return what became of a word, as a tooltip."""
    steps = (
        ("first shown", word.first_shown_s),
        ("shown", word.shown_s),
        ("committed", word.committed_s),
        ("final", word.final_s),
    )
    lags: Sequence[str] = [f"{name} {seconds(at_s - word.end_s)} s" for name, at_s in steps if at_s is not None]
    written = "missing in the finals" if word.written is None else f"written “{word.written}”"
    after = f"; after its end: {', '.join(lags)}" if lags else ""
    return f"“{word.text}”, spoken {seconds(word.start_s)}–{seconds(word.end_s)} s, {written}{after}"


def _cut(text: str, letters: int = _MAX_LETTERS) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
