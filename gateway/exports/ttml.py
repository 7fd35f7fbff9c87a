"""Captions as TTML, in the IMSC 1.1 Text Profile, which players, broadcasters and Netflix accept. PURE.

Times are milliseconds of the media (`ttp:timeBase="media"`), so the document needs no frame rate.
"""

from xml.sax.saxutils import quoteattr

from gateway.captions.subtitles import vtt_timestamp
from gateway.exports.document import Caption, Document, displayed_lines, speakers_of
from gateway.exports.xml_text import xml_text

__all__ = ["to_ttml"]


# W3C IMSC 1.1 §6.3; one region over the lower part of the safe area, where displayAlign puts the lines at its bottom.
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttm="http://www.w3.org/ns/ttml#metadata" \
xmlns:ttp="http://www.w3.org/ns/ttml#parameter" xmlns:tts="http://www.w3.org/ns/ttml#styling" \
ttp:timeBase="media" ttp:contentProfiles="http://www.w3.org/ns/ttml/profile/imsc1.1/text" xml:lang={language}>
  <head>
    <metadata>{metadata}</metadata>
    <styling>
      <style xml:id="text" tts:fontFamily="proportionalSansSerif" tts:fontSize="100%" tts:lineHeight="125%" \
tts:textAlign="center" tts:color="white" tts:backgroundColor="#000000CC"/>
    </styling>
    <layout>
      <region xml:id="bottom" tts:origin="10% 70%" tts:extent="80% 20%" tts:displayAlign="after"/>
    </layout>
  </head>
  <body>
    <div>
"""
_TAIL = "    </div>\n  </body>\n</tt>\n"


def to_ttml(document: Document) -> str:
    """Return an IMSC 1.1 text document; each speaker is a `ttm:agent`, and displayed where there are several.

    Args:
        document: its passages are not used.
    """
    agents = {name: f"speaker{number}" for number, name in enumerate(speakers_of(document.captions), start=1)}
    title = f"<ttm:title>{xml_text(document.title)}</ttm:title>" if document.title else ""
    listed = "".join(
        f'<ttm:agent xml:id="{agent}" type="person"><ttm:name type="full">{xml_text(name)}</ttm:name></ttm:agent>'
        for name, agent in agents.items()
    )
    head = _HEAD.format(language=quoteattr(document.language or ""), metadata=title + listed)
    paragraphs = (
        _paragraph(number, caption, lines, agents)
        for number, (caption, lines) in enumerate(displayed_lines(document), start=1)
    )
    return head + "".join(paragraphs) + _TAIL


def _paragraph(number: int, caption: Caption, lines: tuple[str, ...], agents: dict[str, str]) -> str:
    agent = "" if caption.speaker is None else f' ttm:agent="{agents[caption.speaker]}"'
    span = f'begin="{vtt_timestamp(caption.start_ms)}" end="{vtt_timestamp(caption.end_ms)}"'
    text = "<br/>".join(map(xml_text, lines))
    return f'      <p xml:id="cue{number}" region="bottom" style="text" {span}{agent}>{text}</p>\n'
