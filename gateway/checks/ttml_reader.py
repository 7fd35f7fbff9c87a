"""Reader of TTML (IMSC, EBU-TT-D): its paragraphs with their times. PURE.

Times of `p`, and of the `div` and `body` around it, in clock time or as offsets. Spans with times of their own,
sequences and times in ticks are not read.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate

from gateway.checks.subtitle import Malformed, Subtitle

__all__ = ["read_ttml"]

_TTML = "http://www.w3.org/ns/ttml"
_PARAMETER = "http://www.w3.org/ns/ttml#parameter"
_TIMED = ("body", "div", "p")
_CLOCK = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)(?:(\.\d+)|:(\d{2,}))?")
_OFFSET = re.compile(r"(\d+(?:\.\d+)?)(h|m|s|ms|f)")
_MS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_MS_PER_S = 1000
_DEFAULT_FRAME_RATE = Fraction(30)
_SPACES = re.compile(r"[ \t\r\n]+")


def read_ttml(content: bytes) -> list[Subtitle]:
    """Return the paragraphs of a TTML document.

    Raises:
        Malformed: it is not well-formed XML or not TTML, a time cannot be read, or it has a document type, which could
            name other files.
    """
    reader = _Reader()
    parser = ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise Malformed(f"line {parser.CurrentLineNumber}: a document type, expected none")

    def start(name: str, attributes: dict[str, str]) -> None:
        reader.start(name, attributes, parser.CurrentLineNumber)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(content, True)
    except ExpatError as error:
        raise Malformed(f"line {error.lineno}: {ErrorString(error.code)}") from error
    return reader.subtitles


@dataclass(slots=True)
class _Reader:
    """Collects paragraphs from the events of a parser."""

    subtitles: list[Subtitle] = field(default_factory=list)
    spans: list[tuple[int, int | None]] = field(default_factory=list)
    """Begin and end of the open elements that have times."""
    lines: list[str] | None = None
    """Of the open paragraph."""
    frame_rate: Fraction = _DEFAULT_FRAME_RATE
    has_begun: bool = False

    def start(self, name: str, attributes: dict[str, str], line: int) -> None:
        namespace, _, local = name.rpartition(" ")
        if not self.has_begun:
            self._begin(namespace, local, attributes, line)
        if namespace != _TTML:
            return
        if local in _TIMED:
            self.spans.append(self._span(attributes, line))
        if local == "p":
            self.lines = [""]
        elif local == "br" and self.lines is not None:
            self.lines.append("")

    def end(self, name: str) -> None:
        namespace, _, local = name.rpartition(" ")
        if namespace != _TTML or local not in _TIMED:
            return
        begin_ms, end_ms = self.spans.pop()
        if local == "p" and self.lines is not None:
            lines = tuple(_SPACES.sub(" ", line).strip() for line in self.lines)
            visible = lines if any(lines) else ()
            end_ms = begin_ms if end_ms is None else end_ms
            self.subtitles.append(Subtitle(len(self.subtitles) + 1, begin_ms, end_ms, visible))
            self.lines = None

    def text(self, text: str) -> None:
        if self.lines is not None:
            self.lines[-1] += text

    def _begin(self, namespace: str, local: str, attributes: dict[str, str], line: int) -> None:
        if (namespace, local) != (_TTML, "tt"):
            raise Malformed(f"line {line}: an element {local}, expected tt of {_TTML}")
        self.has_begun = True
        rate = attributes.get(f"{_PARAMETER} frameRate", "30")
        numerator, _, denominator = attributes.get(f"{_PARAMETER} frameRateMultiplier", "1 1").partition(" ")
        numbers = (rate, numerator, denominator)
        if not all(number.isdigit() and int(number) for number in numbers):
            raise Malformed(f"line {line}: a frame rate of {' '.join(numbers)}, expected whole numbers")
        self.frame_rate = Fraction(int(rate) * int(numerator), int(denominator))

    def _span(self, attributes: dict[str, str], line: int) -> tuple[int, int | None]:
        """Return the begin and end of an element: relative to the element around it, and within that."""
        base_ms, limit_ms = self.spans[-1] if self.spans else (0, None)
        begin_ms = base_ms + self._time(attributes.get("begin", "0s"), line)
        ends = [limit_ms]
        if "end" in attributes:
            ends.append(base_ms + self._time(attributes["end"], line))
        if "dur" in attributes:
            ends.append(begin_ms + self._time(attributes["dur"], line))
        return begin_ms, min((end for end in ends if end is not None), default=None)

    def _time(self, text: str, line: int) -> int:
        if (clock := _CLOCK.fullmatch(text)) is not None:
            hours, minutes, seconds = (int(clock[group]) for group in (1, 2, 3))
            rest = Fraction(clock[4] or 0) + int(clock[5] or 0) / self.frame_rate
            return round(((hours * 60 + minutes) * 60 + seconds + rest) * _MS_PER_S)
        if (offset := _OFFSET.fullmatch(text)) is not None:
            unit_ms = _MS_PER_S / self.frame_rate if offset[2] == "f" else _MS[offset[2]]
            return round(Fraction(offset[1]) * unit_ms)
        raise Malformed(
            f"line {line}: {text!r} is no time that is read, expected HH:MM:SS.mmm or an offset such as 1.5s"
        )
