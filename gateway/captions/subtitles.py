"""Final cues as SubRip, WebVTT, JSON and plain text. PURE.

A live file is appended to: `VTT_HEADER`, then a block for each cue when it becomes final. Lines end in LF, which every
SubRip reader accepts. No writer wraps or drops text. Times are rounded down to milliseconds, which adds no overlap; a
cue shorter than a millisecond lasts one.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from gateway.wire.cue import Cue, CueState
from vad.audio import SAMPLE_RATE_HZ

__all__ = [
    "VTT_HEADER",
    "Voices",
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

Voices = Mapping[str, str]
"""Names of speakers, by id of the cues in which they speak; a name is one line of text."""

_NO_VOICES: Voices = MappingProxyType({})

_MS_PER_S = 1000
_MS_PER_MINUTE = 60 * _MS_PER_S
_MS_PER_HOUR = 60 * _MS_PER_MINUTE

# Text that a SubRip reader would interpret as a tag (`<b>`, `</font>`), an override (`{\an8}`) or a time line. SubRip
# has no escapes, so a zero-width space prevents that without changing the appearance.
_SRT_MARKUP = re.compile(r"<(?=\s*/?\s*[A-Za-z!?])|\{(?=\s*\\)|--(?=>)")
_ZERO_WIDTH_SPACE = "\u200b"


def to_srt(cues: Iterable[Cue], voices: Voices = _NO_VOICES) -> str:
    """Return a SubRip file, numbered from 1; text that looks like a tag is displayed as text.

    Args:
        cues: final, oldest first.
        voices: precede the cues' text, followed by a colon: SubRip has no speakers.

    Raises:
        ValueError: a cue is not final.
    """
    spoken = (_spoken(cue, voices.get(cue.cue_id)) for cue in cues)
    return "".join(srt_block(number, cue) for number, cue in enumerate(spoken, start=1))


def to_vtt(cues: Iterable[Cue], voices: Voices = _NO_VOICES, title: str | None = None) -> str:
    """Return a WebVTT file whose identifiers are the cues' ids.

    Args:
        cues: final, oldest first.
        voices: become voice spans, which players use for styles.
        title: one line of text, which follows the signature of the file; None: nothing follows it.

    Raises:
        ValueError: a cue is not final.
    """
    # WebVTT §4.1: the text after the signature must not contain an arrow
    header = VTT_HEADER if title is None else f"WEBVTT {title.replace('-->', '->')}\n\n"
    return header + "".join(vtt_block(cue, voices.get(cue.cue_id)) for cue in cues)


def to_json(cues: Iterable[Cue], voices: Voices = _NO_VOICES) -> str:
    """Return a JSON array of objects with `id`, `utterance_id`, `start_s`, `end_s` (whole milliseconds) and `lines`.

    Args:
        cues: final, oldest first.
        voices: become the `speaker` of the objects that have one.

    Raises:
        ValueError: a cue is not final.
    """
    objects = []
    for cue in cues:
        start_ms, end_ms = _span_ms(cue)
        voice = voices.get(cue.cue_id)
        objects.append(
            {
                "id": cue.cue_id,
                "utterance_id": cue.utterance_id,
                "start_s": start_ms / _MS_PER_S,
                "end_s": end_ms / _MS_PER_S,
                "lines": _lines(cue),
                **({} if voice is None else {"speaker": voice}),
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


def vtt_block(cue: Cue, voice: str | None = None) -> str:
    """Return one cue of a WebVTT file, followed by a blank line.

    Args:
        cue: final.
        voice: name of the speaker; None: it has no voice span.

    Raises:
        ValueError: the cue is not final.
    """
    start_ms, end_ms = _span_ms(cue)
    lines = [_vtt_escaped(line) for line in _lines(cue)]
    if voice is not None:
        lines[:1] = [f"<v {_vtt_escaped(voice)}>{line}" for line in lines[:1]]  # §4.2.2: it may end with the cue
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


def _vtt_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _spoken(cue: Cue, voice: str | None) -> Cue:
    """Return a cue whose first line begins with the name of the speaker."""
    first, *rest = cue.lines or ("",)
    return cue if voice is None else replace(cue, lines=(f"{voice}: {first}", *rest))


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
