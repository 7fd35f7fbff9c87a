"""pysubs2, which reads scripts as renderers do, reads back what was written."""

import pysubs2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exports.ass import to_ass
from gateway.exports.document import Caption, Document

HOUR_MS = 3_600_000


def read(document: Document) -> pysubs2.SSAFile:
    return pysubs2.SSAFile.from_string(to_ass(document), format_="ass")


def test_a_script_has_its_title_and_a_line_for_each_caption() -> None:
    captions = (Caption(1_006, 1_009, ("Good", "morning"), "Ann, chair"), Caption(26 * HOUR_MS, 27 * HOUR_MS, ("x",)))
    script = read(Document(captions, title="Talk\nof the day"))
    assert script.info["Title"] == "Talk of the day"
    assert [(line.start, line.end, line.name, line.text) for line in script.events] == [
        (1_000, 1_010, "Ann  chair", r"Good\Nmorning"),
        (26 * HOUR_MS, 27 * HOUR_MS, "", "x"),
    ]
    assert "Title" not in read(Document(captions)).info


def test_two_speakers_are_displayed() -> None:
    captions = (Caption(0, 100, ("Yes.",), "Ann"), Caption(100, 200, ("No.",), "Bob"))
    assert [line.plaintext for line in read(Document(captions)).events] == ["Ann: Yes.", "Bob: No."]


@settings(deadline=None, max_examples=60)
@given(st.text(st.sampled_from("{}\\Nnh,an8 é中"), min_size=1))
def test_no_text_is_an_override_or_a_line_break(text: str) -> None:
    (line,) = read(Document((Caption(0, 1_000, (text,)),))).events
    displayed = line.plaintext.replace("\u2060", "").replace("｛", "{").replace("｝", "}")
    assert displayed.strip() == text.strip()
