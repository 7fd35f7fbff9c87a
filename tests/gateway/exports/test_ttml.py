"""ttconv, the converter of the TTML working group's members, reads back what was written."""

from xml.etree import ElementTree as ET

import ttconv.imsc.reader
import ttconv.model
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exports.document import Caption, Document
from gateway.exports.ttml import to_ttml
from tests.gateway.exports.oracles import paragraphs

TTM = "{http://www.w3.org/ns/ttml#metadata}"


def read(document: Document) -> list[tuple[float, float, str]]:
    tree = ET.ElementTree(ET.fromstring(to_ttml(document)))  # noqa: S314  # our own text
    return paragraphs(ttconv.imsc.reader.to_model(tree))


def test_captions_keep_their_times_lines_and_region() -> None:
    captions = (Caption(1_006, 1_012, ("AT&T <b>", "two")), Caption(90_061_001, 90_062_000, ("x",)))
    assert read(Document(captions, language="en")) == [(1.006, 1.012, "AT&T <b>\ntwo"), (90_061.001, 90_062.0, "x")]


def test_title_language_and_speakers_are_metadata() -> None:
    captions = (Caption(0, 100, ("Yes.",), 'Ann "A"'), Caption(100, 200, ("No.",), "Bob"), Caption(200, 300, ("…",)))
    text = to_ttml(Document(captions, title="Q & A", language="de"))
    root = ET.fromstring(text)  # noqa: S314  # our own text
    assert root.attrib["{http://www.w3.org/XML/1998/namespace}lang"] == "de"
    assert [title.text for title in root.iter(f"{TTM}title")] == ["Q & A"]
    assert [name.text for name in root.iter(f"{TTM}name")] == ['Ann "A"', "Bob"]
    assert [p.attrib.get(f"{TTM}agent") for p in root.iter("{http://www.w3.org/ns/ttml}p")] == [
        "speaker1",
        "speaker2",
        None,
    ]
    assert [text for _, _, text in read(Document(captions))] == ['Ann "A": Yes.', "Bob: No.", "…"]


def test_the_profile_is_imsc_1_1_text() -> None:
    assert "http://www.w3.org/ns/ttml/profile/imsc1.1/text" in to_ttml(Document(()))
    assert 'xml:lang=""' in to_ttml(Document(()))


@settings(deadline=None, max_examples=30)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1).filter(str.strip))
def test_any_text_is_read_back(text: str) -> None:
    line = " ".join(text.split())
    (paragraph,) = read(Document((Caption(0, 1_000, (line,)),)))
    assert paragraph[2] == line.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
