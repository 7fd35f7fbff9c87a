"""Final cues as SubRip, WebVTT, JSON and plain text. PURE.

A live file is appended to: `VTT_HEADER`, then a block for each cue when it becomes final. Lines end in LF, which every
SubRip reader accepts. No writer wraps or drops text. Times are rounded down to milliseconds, which adds no overlap; a
cue shorter than a millisecond lasts one.
"""

import json
import re
from collections.abc import Iterable

from gateway.wire.cue import Cue, CueState
from vad.audio import SAMPLE_RATE_HZ

__all__ = [
    "VTT_HEADER",
    "span_and_lines",
    "srt_block",
    "srt_timestamp",
    "to_json",
    "to_srt",
    "to_vtt",
    "vtt_block",
    "vtt_timestamp",
]

VTT_HEADER = "WEBVTT\n\n"
"""The beginning of a WebVTT file."""

_MS_PER_S = 1000
_MS_PER_MINUTE = 60 * _MS_PER_S
_MS_PER_HOUR = 60 * _MS_PER_MINUTE

# Text that a SubRip reader would interpret as a tag (`<b>`, `</font>`), an override (`{\an8}`) or a time line. SubRip
# has no escapes, so a zero-width space prevents that without changing the appearance.
_SRT_MARKUP = re.compile(r"<(?=\s*/?\s*[A-Za-z!?])|\{(?=\s*\\)|--(?=>)")
_ZERO_WIDTH_SPACE = "\u200b"


def to_srt(cues: Iterable[Cue]) -> str:
    """Return a SubRip file, numbered from 1; text that looks like a tag is displayed as text.

    Args:
        cues: final, oldest first.

    Raises:
        ValueError: a cue is not final.
    """
    return "".join(srt_block(number, cue) for number, cue in enumerate(cues, start=1))


def to_vtt(cues: Iterable[Cue]) -> str:
    """Return a WebVTT file whose identifiers are the cues' ids.

    Args:
        cues: final, oldest first.

    Raises:
        ValueError: a cue is not final.
    """
    return VTT_HEADER + "".join(vtt_block(cue) for cue in cues)


def to_json(cues: Iterable[Cue]) -> str:
    """Return a JSON array of objects with `id`, `utterance_id`, `start_s`, `end_s` (whole milliseconds) and `lines`.

    Args:
        cues: final, oldest first.

    Raises:
        ValueError: a cue is not final.
    """
    objects = []
    for cue in cues:
        start_ms, end_ms = _span_ms(cue)
        objects.append(
            {
                "id": cue.cue_id,
                "utterance_id": cue.utterance_id,
                "start_s": start_ms / _MS_PER_S,
                "end_s": end_ms / _MS_PER_S,
                "lines": _lines(cue),
            }
        )
    return json.dumps(objects, ensure_ascii=False)


def srt_block(number: int, cue: Cue) -> str:
    """Return one cue of a SubRip file, followed by a blank line.

    Args:
        number: ≥ 1, one more than the previous cue's.
        cue: final.

    Raises:
        ValueError: the cue is not final.
    """
    start_ms, end_ms = _span_ms(cue)
    lines = (_SRT_MARKUP.sub(lambda markup: markup.group() + _ZERO_WIDTH_SPACE, line) for line in _lines(cue))
    return "\n".join([str(number), f"{srt_timestamp(start_ms)} --> {srt_timestamp(end_ms)}", *lines, "\n"])


def vtt_block(cue: Cue) -> str:
    """Return one cue of a WebVTT file, followed by a blank line.

    Args:
        cue: final.

    Raises:
        ValueError: the cue is not final.
    """
    start_ms, end_ms = _span_ms(cue)
    lines = (line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in _lines(cue))
    return "\n".join([cue.cue_id, f"{vtt_timestamp(start_ms)} --> {vtt_timestamp(end_ms)}", *lines, "\n"])


def srt_timestamp(time_ms: int) -> str:
    """Return a time in SubRip's format: `HH:MM:SS,mmm`.

    Args:
        time_ms: milliseconds since the session began, ≥ 0.
    """
    return vtt_timestamp(time_ms).replace(".", ",")


def vtt_timestamp(time_ms: int) -> str:
    """Return a time in WebVTT's format, always with hours: `HH:MM:SS.mmm`.

    Args:
        time_ms: milliseconds since the session began, ≥ 0.
    """
    hours, rest_ms = divmod(time_ms, _MS_PER_HOUR)
    minutes, rest_ms = divmod(rest_ms, _MS_PER_MINUTE)
    seconds, milliseconds = divmod(rest_ms, _MS_PER_S)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}"


def _span_ms(cue: Cue) -> tuple[int, int]:
    start_ms = cue.start_sample * _MS_PER_S // SAMPLE_RATE_HZ
    return start_ms, max(start_ms + 1, cue.end_sample * _MS_PER_S // SAMPLE_RATE_HZ)


def _lines(cue: Cue) -> list[str]:
    """Return the lines for a file: without blank lines, line ends or NUL characters."""
    if cue.state is not CueState.FINAL:
        raise ValueError(f"cue {cue.cue_id} is {cue.state}: expected a final cue")
    lines = (line.strip() for whole in cue.lines for line in whole.replace("\0", "\ufffd").splitlines())
    return [line for line in lines if line]


def span_and_lines(cue: Cue) -> tuple[int, int, tuple[str, ...]]:
    """Return the start and end of a cue in milliseconds, and its lines, as the formats of this module write them.

    Args:
        cue: final.

    Raises:
        ValueError: the cue is not final.
    """
    return (*_span_ms(cue), tuple(_lines(cue)))
