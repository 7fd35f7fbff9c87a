"""The file formats of transcripts. PURE."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from gateway.exports.ass import to_ass
from gateway.exports.document import Document
from gateway.exports.docx import to_docx
from gateway.exports.scc import SccFile, to_scc
from gateway.exports.ttml import to_ttml

__all__ = ["DocumentFormat", "Export", "export"]


_MS_PER_S = 1000


class DocumentFormat(StrEnum):
    """The formats that are written whole, once all of the text is known."""

    ASS = "ass"
    TTML = "ttml"
    SCC = "scc"
    DOCX = "docx"

    @property
    def media_type(self) -> str:
        """Its media type for HTTP."""
        return _MEDIA_TYPES[self]


@dataclass(frozen=True, slots=True)
class Export:
    """A written file.

    Attributes:
        content: its bytes.
        notes: what the format could not express, a sentence each.
    """

    content: bytes
    notes: tuple[str, ...] = ()


def export(document: Document, document_format: DocumentFormat) -> Export:
    """Return a transcript as a file.

    Args:
        document: the transcript.
        document_format: of the file.

    Raises:
        NotLatin: the format is SCC, and most of the text is in another script.
    """
    return _WRITERS[document_format](document)


def _scc(document: Document) -> Export:
    file = to_scc(document)
    return Export(file.text.encode("ascii"), tuple(_notes(file)))


def _notes(file: SccFile) -> list[str]:
    notes = []
    if file.spelt or file.lost:
        spelt = f"{file.spelt} spelt with others" if file.spelt else ""
        lost = f"{file.lost} replaced by ?" if file.lost else ""
        notes.append(f"characters that CEA-608 lacks: {', '.join(filter(None, (spelt, lost)))}")
    if file.late:
        notes.append(
            f"captions displayed late: {file.late}, by up to {file.latest_ms / _MS_PER_S:.1f} s, as CEA-608 has two "
            "bytes in a frame"
        )
    return notes


_WRITERS: Mapping[DocumentFormat, Callable[[Document], Export]] = MappingProxyType(
    {
        DocumentFormat.ASS: lambda document: Export(to_ass(document).encode()),
        DocumentFormat.TTML: lambda document: Export(to_ttml(document).encode()),
        DocumentFormat.SCC: _scc,
        DocumentFormat.DOCX: lambda document: Export(to_docx(document)),
    }
)

_MEDIA_TYPES: Mapping[DocumentFormat, str] = MappingProxyType(
    {
        DocumentFormat.ASS: "text/x-ssa; charset=utf-8",
        DocumentFormat.TTML: "application/ttml+xml; charset=utf-8",
        DocumentFormat.SCC: "text/x-scc; charset=us-ascii",
        DocumentFormat.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    }
)
