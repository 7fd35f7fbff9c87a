"""Transcripts as Office Open XML documents (ECMA-376), which Word, LibreOffice and Google Docs open. PURE.

A minimal package: the text, its styles and its title. Passages of one speaker are joined to paragraphs, each after the
time at which it begins.
"""

import re
from dataclasses import replace
from io import BytesIO
from xml.sax.saxutils import quoteattr
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from gateway.exports.document import Document, Passage
from gateway.exports.xml_text import xml_text
from gateway.text import join_lines

__all__ = ["DEFAULT_TITLE", "paragraphs_of", "to_docx"]

DEFAULT_TITLE = "Transcript"
"""Of a document whose title is not known."""

_MAX_PAUSE_MS = 2_000
"""A longer pause begins a paragraph."""

_LONG_CHARS = 500
"""A paragraph that is longer ends with its sentence: some eight lines of a page."""

_MAX_CHARS = 1_500
"""A paragraph that is longer ends with its passage, for engines that write no punctuation."""

_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]」』]*$")

_MS_PER_S = 1000
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OFFICE = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORDS = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'

_CONTENT_TYPES = (
    f'{_DECLARATION}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/word/document.xml" ContentType="{_OFFICE}.document.main+xml"/>'
    f'<Override PartName="/word/styles.xml" ContentType="{_OFFICE}.styles+xml"/>'
    '<Override PartName="/docProps/core.xml" '
    'ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>'
)
_PACKAGE_RELATIONS = (
    f'{_DECLARATION}<Relationships xmlns="{_RELATIONS}">'
    f'<Relationship Id="rId1" Type="{_OFFICE_RELATIONS}/officeDocument" Target="word/document.xml"/>'
    '<Relationship Id="rId2" '
    'Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" '
    'Target="docProps/core.xml"/></Relationships>'
)
_DOCUMENT_RELATIONS = (
    f'{_DECLARATION}<Relationships xmlns="{_RELATIONS}">'
    f'<Relationship Id="rId1" Type="{_OFFICE_RELATIONS}/styles" Target="styles.xml"/></Relationships>'
)
_STYLES = (
    f"{_DECLARATION}<w:styles {_WORDS}>"
    '<w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii="Calibri" w:hAnsi="Calibri" w:cs="Calibri"/>'
    '<w:sz w:val="22"/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr><w:spacing w:after="160" w:line="276" '
    'w:lineRule="auto"/></w:pPr></w:pPrDefault></w:docDefaults>'
    '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/><w:basedOn w:val="Normal"/>'
    '<w:rPr><w:b/><w:sz w:val="36"/></w:rPr></w:style>'
    '<w:style w:type="character" w:customStyle="1" w:styleId="Speaker"><w:name w:val="Speaker"/><w:rPr><w:b/></w:rPr>'
    "</w:style>"
    '<w:style w:type="character" w:customStyle="1" w:styleId="Time"><w:name w:val="Time"/>'
    '<w:rPr><w:color w:val="595959"/></w:rPr></w:style></w:styles>'
)


def to_docx(document: Document) -> bytes:
    """Return a document with the title, and a paragraph for each piece of speech: `[0:01:02] Ann: text`.

    The same document gives the same bytes.

    Args:
        document: its captions are not used.
    """
    title = document.title or DEFAULT_TITLE
    parts = {
        "[Content_Types].xml": _CONTENT_TYPES,
        "_rels/.rels": _PACKAGE_RELATIONS,
        "docProps/core.xml": _core_properties(title, document.language),
        "word/document.xml": _body(title, paragraphs_of(document.passages)),
        "word/_rels/document.xml.rels": _DOCUMENT_RELATIONS,
        "word/styles.xml": _STYLES,
    }
    file = BytesIO()
    with ZipFile(file, "w") as package:
        for name, text in parts.items():
            entry = ZipInfo(name)  # of 1980, so that no clock is read
            entry.compress_type = ZIP_DEFLATED
            package.writestr(entry, text)
    return file.getvalue()


def paragraphs_of(passages: tuple[Passage, ...]) -> list[Passage]:
    """Join the passages of one speaker to paragraphs.

    Args:
        passages: sorted by start.
    """
    paragraphs: list[Passage] = []
    for passage in passages:
        if paragraphs and _continues(paragraphs[-1], passage):
            text = join_lines((paragraphs[-1].text, passage.text))
            paragraphs[-1] = replace(paragraphs[-1], end_ms=passage.end_ms, text=text)
        else:
            paragraphs.append(passage)
    return paragraphs


def _continues(paragraph: Passage, passage: Passage) -> bool:
    if paragraph.speaker != passage.speaker or passage.start_ms - paragraph.end_ms > _MAX_PAUSE_MS:
        return False
    is_whole = len(paragraph.text) > _LONG_CHARS and _SENTENCE_END.search(paragraph.text) is not None
    return not is_whole and len(paragraph.text) <= _MAX_CHARS


def _body(title: str, paragraphs: list[Passage]) -> str:
    heading = f'<w:p><w:pPr><w:pStyle w:val="Title"/></w:pPr>{_run(title)}</w:p>'
    return (
        f"{_DECLARATION}<w:document {_WORDS}><w:body>{heading}{''.join(map(_paragraph, paragraphs))}"
        '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1440" w:right="1440" w:bottom="1440" '
        'w:left="1440" w:header="720" w:footer="720" w:gutter="0"/></w:sectPr></w:body></w:document>'
    )


def _paragraph(passage: Passage) -> str:
    speaker = "" if passage.speaker is None else _run(f"{passage.speaker}: ", "Speaker")
    return f"<w:p>{_run(f'[{_clock(passage.start_ms)}] ', 'Time')}{speaker}{_run(passage.text)}</w:p>"


def _run(text: str, style: str | None = None) -> str:
    properties = "" if style is None else f"<w:rPr><w:rStyle w:val={quoteattr(style)}/></w:rPr>"
    return f'<w:r>{properties}<w:t xml:space="preserve">{xml_text(text)}</w:t></w:r>'


def _core_properties(title: str, language: str | None) -> str:
    named = "" if language is None else f"<dc:language>{xml_text(language)}</dc:language>"
    return (
        f'{_DECLARATION}<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/'
        'core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{xml_text(title)}</dc:title>{named}</cp:coreProperties>"
    )


def _clock(time_ms: int) -> str:
    minutes, seconds = divmod(time_ms // _MS_PER_S, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
