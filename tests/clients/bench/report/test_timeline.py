"""Timelines: utterances, rows, bars, and what was missing, replaced, inserted or corrected."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from msgspec import structs

from clients.bench.report.timeline import MAX_WORDS, Panel, layout, panels, timeline
from clients.bench.result import Correction, Stream, Word
from tests.clients.bench.report.pages import all_text, elements, parsed
from tests.clients.bench.results import a_result


def a_stream(words: Sequence[Word], transcript: str = "", corrections: Sequence[Correction] = ()) -> Stream:
    stream = a_result(loads=[1]).runs[0].per_stream[0]
    return structs.replace(stream, words=words, transcript=transcript, corrections=corrections)


def a_word(text: str, end_s: float, written: str | None = "", ends_speech: bool = False) -> Word:
    """Return a word of 0.2 s, displayed 0.4 s after its end and final a second after it."""
    found = text if written == "" else written
    if found is None:
        return Word(text, end_s - 0.2, end_s, ends_speech, None)
    times = (end_s + 0.3, end_s + 0.4, end_s + 0.6, end_s + 1.0)
    return Word(text, end_s - 0.2, end_s, ends_speech, found, *times)


def drawn(*words: Word, transcript: str = "", corrections: Sequence[Correction] = ()) -> Element:
    """Return the drawing of an utterance."""
    found = panels(a_stream(words, transcript, corrections))
    return parsed(timeline(found[0], layout(found)))


def texts(found: Sequence[Panel]) -> list[list[str]]:
    return [[word.text for word in panel.words] for panel in found]


def test_every_utterance_is_a_panel() -> None:
    words = [a_word("a", 1.0), a_word("b", 1.5, ends_speech=True), a_word("c", 3.0)]
    assert texts(panels(a_stream(words))) == [["a", "b"], ["c"]]


def test_speech_without_a_pause_is_divided() -> None:
    found = panels(a_stream([a_word("a", float(second)) for second in range(100)]))
    assert [len(panel.words) for panel in found] == [40, 40, 20]


def test_long_streams_are_cut() -> None:
    found = panels(a_stream([a_word("a", float(second), ends_speech=True) for second in range(MAX_WORDS + 9)]))
    assert sum(len(panel.words) for panel in found) == MAX_WORDS


def test_a_stream_without_words_has_no_panels() -> None:
    assert panels(a_stream([])) == ()


def test_inserted_words_are_in_the_panel_and_the_place_where_they_were_written() -> None:
    words = [a_word("a", 1.0, ends_speech=True), a_word("b", 3.0), a_word("c", 4.0, ends_speech=True)]
    found = panels(a_stream(words, "um a er b c bye"))
    assert [panel.inserted for panel in found] == [{0: ("um",)}, {0: ("er",), 2: ("bye",)}]


def test_corrections_are_in_the_panel_during_which_they_arrived() -> None:
    words = [a_word("a", 1.0, ends_speech=True), a_word("b", 3.0, ends_speech=True)]
    early, late, after = (Correction(at_s, "1", "x", "y", False) for at_s in (0.1, 2.79, 50.0))
    found = panels(a_stream(words, "a b", [early, late, after]))
    assert [panel.corrections for panel in found] == [(early, late), (after,)]


def test_a_row_has_bars_from_spoken_to_final() -> None:
    root = drawn(a_word("word", 1.0))
    bars = {
        name: (float(bar.get("x", "")), float(bar.get("width", "")))
        for name in ("spoken", "waiting", "unsteady", "tentative", "committed")
        for bar in elements(root, name)
    }
    ends = [round(start + width, 1) for start, width in bars.values()]
    starts = [round(start, 1) for start, _ in bars.values()]
    assert list(bars) == ["spoken", "waiting", "unsteady", "tentative", "committed"]
    assert all(abs(start - end) <= 0.11 for start, end in zip(starts[1:], ends, strict=False))
    assert len(elements(root, "final")) == 1


def test_a_word_that_was_displayed_while_it_was_spoken_did_not_wait() -> None:
    word = Word("word", 0.5, 1.0, False, "word", 0.8, 0.8, None, 2.0)
    assert [bar.tag for bar in elements(drawn(word), "waiting")] == []


def test_a_word_that_was_displayed_but_never_final_has_no_end() -> None:
    root = drawn(Word("word", 0.5, 1.0, False, None, 1.5, None, None, None))
    assert [len(elements(root, name)) for name in ("unsteady", "final")] == [1, 0]


def test_a_missing_word_is_struck_through_and_named() -> None:
    root = drawn(a_word("here", 1.0, written=None))
    (label,) = elements(root, "missing")
    assert label.text == "here"
    assert "missing" in all_text(root)
    assert [len(elements(root, name)) for name in ("spoken", "waiting", "tentative")] == [1, 0, 0]


def test_another_word_stands_beside_the_spoken_one() -> None:
    root = drawn(a_word("here", 1.0, written="hear"))
    assert [elements(root, name)[0].text for name in ("replaced", "replacement")] == ["here", " hear"]


def test_an_inserted_word_has_a_row_without_bars() -> None:
    root = drawn(a_word("a", 1.0), transcript="a bye")
    assert [tspan.text for tspan in elements(root, "inserted")] == ["+ bye"]
    assert len(elements(root, "spoken")) == 1


def test_corrections_are_marked_where_they_arrived() -> None:
    root = drawn(a_word("a", 1.0), corrections=[Correction(1.2, "1", "<x>", "y & z", False)])
    assert len(elements(root, "correction")) == 1
    assert "“<x>” became “y & z”" in all_text(root)


def test_a_late_correction_stays_within_the_drawing() -> None:
    root = drawn(a_word("a", 1.0), corrections=[Correction(99.0, "1", "x", "y", False)])
    assert float(elements(root, "correction")[0].get("x1", "")) <= 760


def test_tooltips_have_the_lags() -> None:
    root = drawn(a_word("here", 1.0, written="hear"))
    story = "“here”, spoken 0.80–1.00 s, written “hear”; after its end: first shown 0.30 s, shown 0.40 s, "
    assert f"{story}committed 0.60 s, final 1.00 s" in all_text(root)


def test_long_words_are_cut_and_the_margin_holds_them() -> None:
    long, short = (panels(a_stream([a_word(text, 1.0)])) for text in ("x" * 90, "x"))
    assert layout(short).left < layout(long).left < 200
    assert "x" * 22 + "…" in all_text(drawn(a_word("x" * 90, 1.0)))


def test_all_panels_have_the_scale_of_the_longest() -> None:
    words = [a_word("a", 1.0, ends_speech=True), a_word("b", 3.0), a_word("c", 8.0, ends_speech=True)]
    found = panels(a_stream(words, "a b c"))
    assert layout(found).span_s > 9.0 - 2.8


def test_ticks_are_round_and_within_the_axis() -> None:
    root = drawn(a_word("a", 1.3), a_word("b", 2.0))
    ticks = [text.text for text in root.iter("text") if text.get("text-anchor") == "middle"]
    assert ticks == ["1.2", "1.4", "1.6", "1.8", "2", "2.2", "2.4", "2.6", "2.8", "3"]
