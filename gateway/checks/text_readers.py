"""Readers of SubRip, WebVTT and Advanced SubStation Alpha. PURE.

They accept what players accept, and name the line that they cannot read.
"""

import html
import re
from collections.abc import Iterator, Sequence

from gateway.checks.subtitle import Malformed, Subtitle

__all__ = ["read_ass", "read_srt", "read_vtt"]

_MS_PER_S = 1000
_MS_PER_CS = 10

_TIMES = re.compile(r"(?P<start>[\d:.,]+)[ \t]+-->[ \t]+(?P<end>[\d:.,]+)(?:[ \t].*)?")
_SRT_TIME = re.compile(r"(\d{1,3}):([0-5]?\d):([0-5]?\d)[,.](\d{3})")
_VTT_TIME = re.compile(r"(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})")
_ASS_TIME = re.compile(r"(\d+):([0-5]\d):([0-5]\d)\.(\d{2})")

_SRT_MARKUP = re.compile(r"</?\s*(?:b|i|u|s|font)\b[^>]*>|\{\\[^}]*\}", re.IGNORECASE)
_VTT_TAG = re.compile(r"<[^>]*>")
_ASS_OVERRIDE = re.compile(r"\{[^}]*\}")
_ASS_BREAK = re.compile(r"\\[Nn]")
_INVISIBLE = re.compile("[\u200b\u2060\ufeff]")
_NOT_CUES = ("NOTE", "STYLE", "REGION")
_FIELDS_BEFORE_TEXT = 9


def read_srt(text: str) -> list[Subtitle]:
    """Return the subtitles of a SubRip file; a counter that is not one more than the last is a fault.

    Raises:
        Malformed: a block has no line with two times.
    """
    subtitles: list[Subtitle] = []
    for line_number, block in _blocks(text):
        number = len(subtitles) + 1
        counter = block[0].strip() if "-->" not in block[0] else ""
        times, *lines = [*block[1:], ""] if counter else [*block, ""]
        start_ms, end_ms = _span(times, _SRT_TIME, line_number + bool(counter))
        faults = () if counter == str(number) else (("number", counter or "none", str(number)),)
        visible = tuple(_visible(_SRT_MARKUP.sub("", line)) for line in lines[:-1])
        subtitles.append(Subtitle(number, start_ms, end_ms, visible, faults))
    return subtitles


def read_vtt(text: str) -> list[Subtitle]:
    """Return the cues of a WebVTT file; an identifier that was there before is a fault.

    Raises:
        Malformed: the file does not begin with WEBVTT, or a block has no line with two times.
    """
    if not re.match("\ufeff?WEBVTT(?:[ \t\r\n]|$)", text):
        raise Malformed("line 1: expected WEBVTT")
    subtitles: list[Subtitle] = []
    identifiers: set[str] = set()
    for line_number, block in list(_blocks(text))[1:]:
        if block[0].split(maxsplit=1)[0] in _NOT_CUES:
            continue
        identifier = block[0] if "-->" not in block[0] else ""
        times, *lines = [*block[1:], ""] if identifier else [*block, ""]
        start_ms, end_ms = _span(times, _VTT_TIME, line_number + bool(identifier))
        faults = (("identifier", f"{identifier!r} again", "each one once"),) if identifier in identifiers else ()
        identifiers |= {identifier} if identifier else set()
        visible = tuple(_visible(html.unescape(_VTT_TAG.sub("", line))) for line in lines[:-1])
        subtitles.append(Subtitle(len(subtitles) + 1, start_ms, end_ms, visible, faults))
    return subtitles


def read_ass(text: str) -> list[Subtitle]:
    """Return the dialogue of an Advanced SubStation Alpha script, sorted by start as players sort it.

    Raises:
        Malformed: a dialogue has no times, or too few fields.
    """
    found: list[tuple[int, int, tuple[str, ...]]] = []
    for line_number, line in enumerate(text.splitlines(), start=1):
        kind, _, rest = line.partition(":")
        if kind.strip() != "Dialogue":
            continue
        fields = rest.split(",", _FIELDS_BEFORE_TEXT)
        if len(fields) <= _FIELDS_BEFORE_TEXT:
            raise Malformed(f"line {line_number}: a dialogue of {len(fields)} fields, expected 10")
        start_ms, end_ms = (_time(each.strip(), _ASS_TIME, line_number) for each in fields[1:3])
        lines = tuple(_visible(part) for part in _ASS_BREAK.split(_ASS_OVERRIDE.sub("", fields[-1])))
        found.append((start_ms, end_ms, lines))
    found.sort(key=lambda each: each[0])
    return [Subtitle(number, *each) for number, each in enumerate(found, start=1)]


def _blocks(text: str) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the blocks between blank lines, each with the number of its first line."""
    block: list[str] = []
    lines = text.removeprefix("\ufeff").splitlines()
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def _span(line: str, pattern: re.Pattern[str], line_number: int) -> tuple[int, int]:
    found = _TIMES.fullmatch(line.strip())
    if found is None:
        raise Malformed(f"line {line_number}: {line.strip()[:40]!r}, expected START --> END")
    return _time(found["start"], pattern, line_number), _time(found["end"], pattern, line_number)


def _time(text: str, pattern: re.Pattern[str], line_number: int) -> int:
    found = pattern.fullmatch(text)
    if found is None:
        raise Malformed(f"line {line_number}: {text!r} is no time of this format")
    hours, minutes, seconds, fraction = (int(part or 0) for part in found.groups())
    fraction_ms = fraction * _MS_PER_CS if pattern is _ASS_TIME else fraction
    return ((hours * 60 + minutes) * 60 + seconds) * _MS_PER_S + fraction_ms


def _visible(line: str) -> str:
    return _INVISIBLE.sub("", line).strip()
