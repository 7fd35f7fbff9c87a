"""What an export is made of."""

from dataclasses import replace

from gateway.exports.document import (
    Caption,
    Document,
    Passage,
    caption_of,
    displayed_lines,
    most_spoken,
    passage_of,
    speakers_of,
)
from tests.events import final, final_cue

ANN = Caption(0, 1_000, ("Good morning.",), "Ann")
BOB = Caption(1_000, 2_000, ("And to", "you."), "Bob")
NOBODY = Caption(2_000, 3_000, ("Music",))


def test_a_cue_and_a_final_become_a_caption_and_a_passage() -> None:
    assert caption_of(final_cue(1).cue, "Ann") == Caption(1_006, 1_012, ("line 1",), "Ann")
    assert passage_of(final(1), "Ann") == Passage(1_000, 1_500, "words 1", "Ann")


def test_names_are_displayed_where_several_speak() -> None:
    assert [lines for _, lines in displayed_lines(Document((ANN, NOBODY)))] == [ANN.lines, NOBODY.lines]
    assert [lines for _, lines in displayed_lines(Document((ANN, BOB, NOBODY, replace(BOB, lines=()))))] == [
        ("Ann: Good morning.",),
        ("Bob: And to", "you."),
        ("Music",),
        (),
    ]


def test_speakers_come_in_the_order_in_which_they_speak() -> None:
    assert speakers_of((BOB, ANN, NOBODY, BOB)) == ("Bob", "Ann")


def test_the_language_is_that_of_most_utterances() -> None:
    spoken = [replace(final(1), language=language) for language in ("de", "en", None, "en")]
    assert most_spoken(spoken) == "en"
    assert most_spoken([]) is None
