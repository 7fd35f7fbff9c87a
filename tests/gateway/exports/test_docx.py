"""python-docx opens the document as Word would."""

from io import BytesIO

import docx
from docx.document import Document as WordDocument

from gateway.exports.document import Document, Passage
from gateway.exports.docx import DEFAULT_TITLE, paragraphs_of, to_docx

SENTENCE = "This sentence has fifty characters, more or less. "


def opened(document: Document) -> WordDocument:
    return docx.Document(BytesIO(to_docx(document)))


def test_a_document_has_a_title_and_paragraphs_with_times_and_speakers() -> None:
    passages = (Passage(2_000, 4_000, "Good <b> & morning.", "Ann"), Passage(3_723_400, 3_725_000, "\0Hello."))
    word = opened(Document((), passages, title="Q & A", language="de"))
    assert [(paragraph.style.name, paragraph.text) for paragraph in word.paragraphs if paragraph.style] == [
        ("Title", "Q & A"),
        ("Normal", "[0:00:02] Ann: Good <b> & morning."),
        ("Normal", "[1:02:03] \ufffdHello."),
    ]
    assert (word.core_properties.title, word.core_properties.language) == ("Q & A", "de")
    names = [[run.style.name for run in paragraph.runs if run.style] for paragraph in word.paragraphs]
    assert names[1] == ["Time", "Speaker", "Default Paragraph Font"][: len(names[1])]


def test_a_document_without_title_has_one() -> None:
    assert opened(Document(())).core_properties.title == DEFAULT_TITLE


def test_the_same_transcript_gives_the_same_bytes() -> None:
    document = Document((), (Passage(0, 1, "x"),))
    assert to_docx(document) == to_docx(document)


def test_speech_of_one_speaker_is_joined_until_a_pause() -> None:
    spoken = [
        Passage(0, 1_000, "One.", "Ann"),
        Passage(3_000, 4_000, "Two.", "Ann"),
        Passage(6_001, 7_000, "三。", "Ann"),
    ]
    spoken += [Passage(7_000, 8_000, "四。", "Ann"), Passage(8_000, 9_000, "No.", "Bob")]
    assert paragraphs_of(tuple(spoken)) == [
        Passage(0, 4_000, "One. Two.", "Ann"),
        Passage(6_001, 8_000, "三。四。", "Ann"),
        Passage(8_000, 9_000, "No.", "Bob"),
    ]


def test_a_long_paragraph_ends_with_a_sentence_and_a_very_long_one_anyway() -> None:
    with_sentences = tuple(Passage(at, at, SENTENCE.strip()) for at in range(20))
    assert [len(paragraph.text) for paragraph in paragraphs_of(with_sentences)] == [549, 449]
    without = tuple(Passage(at, at, "w" * 100) for at in range(20))
    assert [len(paragraph.text) for paragraph in paragraphs_of(without)] == [1514, 504]
