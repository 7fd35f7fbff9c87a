"""Each format is written, and says what it could not express."""

import pytest

from gateway.exports.document import Caption, Document, Passage
from gateway.exports.formats import DocumentFormat, export

DOCUMENT = Document((Caption(3_000, 5_000, ("Good morning.",)),), (Passage(3_000, 5_000, "Good morning."),))


@pytest.mark.parametrize(
    ("document_format", "begins", "media_type"),
    [
        (DocumentFormat.ASS, b"[Script Info]\n", "text/x-ssa; charset=utf-8"),
        (DocumentFormat.TTML, b"<?xml", "application/ttml+xml; charset=utf-8"),
        (DocumentFormat.SCC, b"Scenarist_SCC V1.0\n", "text/x-scc; charset=us-ascii"),
        (
            DocumentFormat.DOCX,
            b"PK\x03\x04",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
    ],
)
def test_a_file_begins_as_its_format_does(document_format: DocumentFormat, begins: bytes, media_type: str) -> None:
    exported = export(DOCUMENT, document_format)
    assert exported.content.startswith(begins)
    assert exported.notes == ()
    assert document_format.media_type == media_type


@pytest.mark.parametrize(
    ("lines", "start_ms", "notes"),
    [
        (("Łx",), 3_000, ("characters that CEA-608 lacks: 1 spelt with others",)),
        (("яabcdefghij",), 3_000, ("characters that CEA-608 lacks: 1 replaced by ?",)),
        (
            ("яabcdefghijŁ",),
            0,
            (
                "characters that CEA-608 lacks: 1 spelt with others, 1 replaced by ?",
                "captions displayed late: 1, by up to 0.5 s, as CEA-608 has two bytes in a frame",
            ),
        ),
    ],
)
def test_scc_notes_what_it_replaces_and_what_is_late(
    lines: tuple[str, ...], start_ms: int, notes: tuple[str, ...]
) -> None:
    document = Document((Caption(start_ms, start_ms + 2_000, lines),))
    assert export(document, DocumentFormat.SCC).notes == notes
