"""Text for XML documents. PURE."""

import re
from xml.sax.saxutils import escape

__all__ = ["xml_text"]

# XML 1.0 §2.2: these are not even allowed as references.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\ufffd"


def xml_text(text: str) -> str:
    """Return the text escaped for the content of an element; characters that XML cannot have become U+FFFD."""
    return escape(_FORBIDDEN.sub(_REPLACEMENT, text))
