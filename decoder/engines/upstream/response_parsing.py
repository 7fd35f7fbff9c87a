"""Parses the responses of upstreams, in any of their formats, and their error bodies. PURE."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from decoder.languages import language_code
from decoder.settings import ResponseFormat

__all__ = ["ErrorBody", "TimedText", "Transcription", "read_error", "read_response"]

_MAX_QUOTED_CHARACTERS = 200
"""Limit for an upstream's message quoted in ours."""

_STAMP = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_STAMP}\s*-->\s*{_STAMP}")
_TAG = re.compile(r"<[^>\n]*>")
_HTML = re.compile(r"\s*(?:<!doctype html|<html|<head|<body)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TimedText:
    """A word or a segment of text with its time, in seconds since the start of the audio sent."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Transcription:
    """The transcription returned by an upstream.

    Attributes:
        text: the whole text; may be empty.
        words: with times, if the response has them; often without punctuation.
        segments: segments of the text with times, if the response has them.
        language: ISO-639-1, or None.
        avg_logprob: nats per token, or None.
        no_speech_probability: 0..1, or None.
    """

    text: str
    words: tuple[TimedText, ...] = ()
    segments: tuple[TimedText, ...] = ()
    language: str | None = None
    avg_logprob: float | None = None
    no_speech_probability: float | None = None


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The error code and message of a response; None if absent."""

    code: str | None
    message: str | None


def read_response(body: bytes, response_format: ResponseFormat) -> Transcription:
    """Parse the body of a 200 response.

    Servers that support only one format return JSON whatever was requested; that is accepted too.

    Args:
        body: as received.
        response_format: as requested.

    Raises:
        ValueError: the body is not a transcription.
    """
    text = body.decode("utf-8-sig")  # a UnicodeDecodeError is a ValueError
    if _HTML.match(text):
        raise ValueError("received a web page instead of a transcription")
    if response_format in ("json", "verbose_json") or text.lstrip().startswith("{"):
        return _from_json(text)
    if response_format == "text":
        return Transcription(text.strip())
    return _from_cues(text, response_format)


def read_error(body: bytes) -> ErrorBody:
    """Parse the body of any other status: livecue's, OpenAI's or FastAPI's error shape, or plain text.

    Args:
        body: as received; a proxy's web page yields no message.
    """
    text = body.decode("utf-8", errors="replace").strip()
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return ErrorBody(None, None if not text or _HTML.match(text) else _quoted(text))
    inner = parsed.get("error", parsed) if isinstance(parsed, dict) else parsed
    if not isinstance(inner, dict):
        return ErrorBody(None, _quoted(str(inner)))
    code = next((inner[key] for key in ("code", "type") if isinstance(inner.get(key), str)), None)
    message = next((inner[key] for key in ("message", "detail") if inner.get(key)), None)
    return ErrorBody(code, None if message is None else _quoted(str(message)))


def _from_json(text: str) -> Transcription:
    try:
        parsed: object = json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    if not isinstance(parsed, dict) or not isinstance(parsed.get("text"), str):
        raise ValueError("JSON without the field text")
    segments = tuple(_records(parsed.get("segments")))
    return Transcription(
        parsed["text"].strip(),
        tuple(_timed_texts(_records(parsed.get("words")), "word")),
        tuple(_timed_texts(segments, "text")),
        _language(parsed),
        _mean(segments, "avg_logprob"),
        _mean(segments, "no_speech_prob"),
    )


def _from_cues(text: str, response_format: ResponseFormat) -> Transcription:
    """Parse SubRip or WebVTT; both may have no cues, but only SubRip may be empty."""
    cues: list[TimedText] = []
    blocks = re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip())
    for block in blocks:
        lines = block.split("\n")
        place = next((i for i, line in enumerate(lines) if _TIMING.match(line)), None)
        if place is None:
            continue
        timing = _TIMING.match(lines[place])
        assert timing is not None, "the line was found by this match"
        cue_text = " ".join(_TAG.sub("", line).strip() for line in lines[place + 1 :]).strip()
        start_s, end_s = _seconds(*timing.groups()[:4]), _seconds(*timing.groups()[4:])
        if cue_text:
            cues.append(TimedText(cue_text, start_s, max(start_s, end_s)))
    has_header = text.lstrip().startswith("WEBVTT")
    if not cues and not has_header and (response_format == "vtt" or text.strip()):
        raise ValueError(f"not a {response_format} file")
    return Transcription(" ".join(cue.text for cue in cues), segments=tuple(cues))


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours or 0) * 3_600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1_000


def _records(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _timed_texts(records: Iterable[Mapping[str, object]], key: str) -> Iterable[TimedText]:
    """Yield the records that have a text and times; skip the others."""
    for record in records:
        text, start_s, end_s = record.get(key), _number(record.get("start")), _number(record.get("end"))
        if isinstance(text, str) and text.strip() and start_s is not None and end_s is not None:
            yield TimedText(text.strip(), max(0.0, start_s), max(0.0, start_s, end_s))


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if (
        not is_number or not isinstance(value, int | float) or not abs(value) < 1e9
    ):  # excludes NaN, and times beyond any audio
        return None
    return float(value)


def _mean(segments: Iterable[Mapping[str, object]], key: str) -> float | None:
    numbers = [number for segment in segments if (number := _number(segment.get(key))) is not None]
    return sum(numbers) / len(numbers) if numbers else None


def _language(parsed: Mapping[str, object]) -> str | None:
    names = [parsed.get("language"), *(record.get("code") for record in _records(parsed.get("languages")))]
    return next((code for name in names if isinstance(name, str) and (code := language_code(name))), None)


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_QUOTED_CHARACTERS else f"{line[: _MAX_QUOTED_CHARACTERS - 1]}…"
