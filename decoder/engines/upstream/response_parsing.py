"""Reads what upstreams answer, in any format they offer, and what they say when they refuse. PURE."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from decoder.languages import language_code
from decoder.settings import ResponseFormat

__all__ = ["RefusalBody", "Spoken", "Transcription", "read_answer", "read_refusal"]

_SHOWN_CHARACTERS = 200
"""Of a message of the other side's, in ours."""

_STAMP = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_STAMP}\s*-->\s*{_STAMP}")
_TAG = re.compile(r"<[^>\n]*>")
_HTML = re.compile(r"\s*(?:<!doctype html|<html|<head|<body)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word or a piece of text where it was spoken, in seconds of the audio that was sent."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Transcription:
    """The transcription returned by an upstream.

    Attributes:
        text: all of it; may be empty.
        words: with times, where it says them; without punctuation, often.
        segments: pieces of the text with times, where it says them.
        language: ISO-639-1, or None.
        avg_logprob: nats per token, or None.
        no_speech_probability: 0..1, or None.
    """

    text: str
    words: tuple[Spoken, ...] = ()
    segments: tuple[Spoken, ...] = ()
    language: str | None = None
    avg_logprob: float | None = None
    no_speech_probability: float | None = None


@dataclass(frozen=True, slots=True)
class RefusalBody:
    """What the body of a refusal says; None where it does not."""

    code: str | None
    message: str | None


def read_answer(body: bytes, response_format: ResponseFormat) -> Transcription:
    """Return what the body of a 200 says.

    Servers that know one format only answer JSON whatever they were asked for; that is read too.

    Args:
        body: as it came.
        response_format: as it was asked for.

    Raises:
        ValueError: it is no answer.
    """
    text = body.decode("utf-8-sig")  # a UnicodeDecodeError is a ValueError
    if _HTML.match(text):
        raise ValueError("a web page instead of an answer")
    if response_format in ("json", "verbose_json") or text.lstrip().startswith("{"):
        return _from_json(text)
    if response_format == "text":
        return Transcription(text.strip())
    return _from_cues(text, response_format)


def read_refusal(body: bytes) -> RefusalBody:
    """Return what the body of any other status says: livecue's, OpenAI's or FastAPI's shape, or plain text.

    Args:
        body: as it came; a proxy's web page says nothing.
    """
    text = body.decode("utf-8", errors="replace").strip()
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return RefusalBody(None, None if not text or _HTML.match(text) else _shown(text))
    inner = parsed.get("error", parsed) if isinstance(parsed, dict) else parsed
    if not isinstance(inner, dict):
        return RefusalBody(None, _shown(str(inner)))
    code = next((inner[key] for key in ("code", "type") if isinstance(inner.get(key), str)), None)
    message = next((inner[key] for key in ("message", "detail") if inner.get(key)), None)
    return RefusalBody(code, None if message is None else _shown(str(message)))


def _from_json(text: str) -> Transcription:
    try:
        parsed: object = json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    if not isinstance(parsed, dict) or not isinstance(parsed.get("text"), str):
        raise ValueError("JSON without a text")
    segments = tuple(_records(parsed.get("segments")))
    return Transcription(
        parsed["text"].strip(),
        tuple(_spoken(_records(parsed.get("words")), "word")),
        tuple(_spoken(segments, "text")),
        _language(parsed),
        _mean(segments, "avg_logprob"),
        _mean(segments, "no_speech_prob"),
    )


def _from_cues(text: str, response_format: ResponseFormat) -> Transcription:
    """Read SubRip or WebVTT; both may have no cue, but only SubRip may be empty."""
    cues: list[Spoken] = []
    blocks = re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip())
    for block in blocks:
        lines = block.split("\n")
        place = next((i for i, line in enumerate(lines) if _TIMING.match(line)), None)
        if place is None:
            continue
        timing = _TIMING.match(lines[place])
        assert timing is not None, "that is how the place was found"
        said = " ".join(_TAG.sub("", line).strip() for line in lines[place + 1 :]).strip()
        start_s, end_s = _seconds(*timing.groups()[:4]), _seconds(*timing.groups()[4:])
        if said:
            cues.append(Spoken(said, start_s, max(start_s, end_s)))
    is_named = text.lstrip().startswith("WEBVTT")
    if not cues and not is_named and (response_format == "vtt" or text.strip()):
        raise ValueError(f"no {response_format} file")
    return Transcription(" ".join(cue.text for cue in cues), segments=tuple(cues))


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours or 0) * 3_600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1_000


def _records(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _spoken(records: Iterable[Mapping[str, object]], key: str) -> Iterable[Spoken]:
    """Return the records that have a text and times, without those that do not."""
    for record in records:
        text, start_s, end_s = record.get(key), _number(record.get("start")), _number(record.get("end"))
        if isinstance(text, str) and text.strip() and start_s is not None and end_s is not None:
            yield Spoken(text.strip(), max(0.0, start_s), max(0.0, start_s, end_s))


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not isinstance(value, int | float) or not abs(value) < 1e9:  # neither NaN nor beyond any audio
        return None
    return float(value)


def _mean(segments: Iterable[Mapping[str, object]], key: str) -> float | None:
    numbers = [number for segment in segments if (number := _number(segment.get(key))) is not None]
    return sum(numbers) / len(numbers) if numbers else None


def _language(parsed: Mapping[str, object]) -> str | None:
    names = [parsed.get("language"), *(record.get("code") for record in _records(parsed.get("languages")))]
    return next((code for name in names if isinstance(name, str) and (code := language_code(name))), None)


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[: _SHOWN_CHARACTERS - 1]}…"
