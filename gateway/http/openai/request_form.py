"""The form of a transcription request: fields in, options out. PURE."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from reprlib import repr as shortened

from decoder.engine import EngineInfo
from decoder.types import Task
from gateway.errors import InvalidRequest
from gateway.wire.client_events import ProtocolError
from gateway.wire.language_choice import LanguageChoice, choose_languages
from gateway.wire.misspellings import MAX_NAMES, meant_by

__all__ = ["Granularity", "Order", "ResponseFormat", "read_order"]

Fields = Mapping[str, tuple[str, ...]]

_MAX_PROMPT_CHARS = 1_000
"""From the end of a prompt: Whisper reads its last 223 tokens, which is about this many characters."""

_MAX_SILENCE_MS = 10_000
"""The native dialect's limit."""

_MAX_TRACK = 999
"""More audio tracks than any file has."""


_SINGLE = (
    "file",
    "model",
    "language",
    "prompt",
    "response_format",
    "temperature",
    "stream",
    "chunking_strategy",
    "track",
)
_LISTS = ("languages", "keywords", "timestamp_granularities", "include")
_STRATEGY = tuple(
    f"chunking_strategy[{name}]" for name in ("type", "silence_duration_ms", "prefix_padding_ms", "threshold")
)

_FOREIGN = frozenset({"temperature_inc"})
"""Fields of other services with names similar to one of these: whisper.cpp's."""

_MAX_NAME_CHARS = 64
"""Of a field's name, in an error message."""

_ITEM = re.compile(r"([^\[\]]+)\[\d*\]")
"""An item of a list: `name[]`, or `name[0]`, as PHP and qs write it."""


class ResponseFormat(StrEnum):
    """The formats of a transcript."""

    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"
    VERBOSE_JSON = "verbose_json"


class Granularity(StrEnum):
    """What has timestamps in `verbose_json`."""

    WORD = "word"
    SEGMENT = "segment"


@dataclass(frozen=True, slots=True)
class Order:
    """The options of a transcription.

    Attributes:
        task: transcribe or translate.
        response_format: of the transcript.
        language: a tag such as en or zh-Hant; None: detected.
        languages: tags of those among which it is detected; empty: all of the engine.
        prompt: keywords and context for the engine, at most as long as it reads.
        temperature: 0..1.
        granularities: what has timestamps; empty unless `response_format` is verbose_json.
        logprobs: whether words come with their log probabilities.
        stream: whether to send each utterance as soon as it is decoded.
        silence_ms: silence that ends an utterance; None: as in the settings.
        track: which audio track of the file, counted from 1; None: the one that is played by default.
    """

    task: Task
    response_format: ResponseFormat
    language: str | None
    languages: tuple[str, ...]
    prompt: str
    temperature: float
    granularities: frozenset[Granularity]
    logprobs: bool
    stream: bool
    silence_ms: int | None
    model: str
    track: int | None = None


def read_order(fields: Fields, task: Task, info: EngineInfo) -> Order:
    """Read the fields of a form; unknown names are ignored, as clients send many.

    Options that a format does not have are ignored too where clients always send them, or OpenAI ignores them:
    timestamps of segments, and streams of formats other than text.

    Args:
        fields: name → values as they were sent. A list is `name[]`, `name[0]` or `name`. An optional field with an
            empty value counts as missing.
        task: of the route.
        info: of the engine.

    Raises:
        InvalidRequest: a field is missing or has a value that is not allowed; the message has what is.
    """
    if task is Task.TRANSLATE and not info.translates:
        raise InvalidRequest(f"the model {info.model} of this gateway does not translate: it only transcribes")
    fields = _by_name(fields)
    _check_model(fields)
    response_format = _read_format(fields)
    granularities = _read_granularities(fields, response_format)
    include = _choices(fields, "include", ("logprobs",))
    if include and response_format is not ResponseFormat.JSON:
        raise InvalidRequest(f"include: only with response_format json, not {response_format}", "include")
    stream = _read_choice(fields, "stream", ("true", "false"), "false") == "true"
    languages = _read_languages(fields, info)
    return Order(
        task=task,
        response_format=response_format,
        language=languages.tag,
        languages=languages.allowed_tags,
        prompt=_read_prompt(fields),
        temperature=_read_number(fields, "temperature", 0.0, 1.0) or 0.0,
        granularities=granularities,
        logprobs=bool(include),
        stream=stream and response_format in (ResponseFormat.JSON, ResponseFormat.TEXT),
        silence_ms=_read_silence_ms(fields),
        model=info.model,
        track=_read_track(fields),
    )


def _by_name(fields: Fields) -> Fields:
    """Return the known fields by name, lists without brackets.

    Raises:
        InvalidRequest: a name is similar to that of a field.
    """
    known: dict[str, tuple[str, ...]] = {}
    unknown: list[str] = []
    for name, values in fields.items():
        item = _ITEM.fullmatch(name)
        if item is not None and item[1] in _LISTS:
            known[item[1]] = (*known.get(item[1], ()), *values)
        elif name in (*_SINGLE, *_STRATEGY, *_LISTS):
            known[name] = (*known.get(name, ()), *values)
        else:
            unknown.append(name)
    for name in unknown[:MAX_NAMES]:
        _refuse_misspelled(name)
    return known


def _refuse_misspelled(name: str) -> None:
    base = name.partition("[")[0]
    if name.startswith("chunking_strategy["):
        meant = meant_by(name, _STRATEGY)
    elif base in (*_SINGLE, *_LISTS):
        meant = f"{base}[]" if base in _LISTS else base
    else:
        meant = None if name in _FOREIGN else meant_by(base, (*_SINGLE, *_LISTS))
    if meant is not None:
        quoted = name if len(name) <= _MAX_NAME_CHARS else f"{base[:_MAX_NAME_CHARS]}…"
        raise InvalidRequest(f"{quoted}: no such field: did you mean {meant}?", quoted)


def _check_model(fields: Fields) -> None:
    """Check that a model is named; any name will do, since there is one engine."""
    count = len(fields.get("model", ()))
    if count != 1:
        got = f"given {count} times" if count else "missing"
        raise InvalidRequest(f"model: {got}; expected one name, whatever it is: this gateway has one model", "model")


def _read_format(fields: Fields) -> ResponseFormat:
    if _single(fields, "response_format") == "diarized_json":
        allowed = ", ".join(ResponseFormat)
        message = f"response_format diarized_json: diarization is not supported; expected one of {allowed}"
        raise InvalidRequest(message, "response_format")
    return ResponseFormat(_read_choice(fields, "response_format", ResponseFormat, ResponseFormat.JSON))


def _read_granularities(fields: Fields, response_format: ResponseFormat) -> frozenset[Granularity]:
    granularities = frozenset(Granularity(name) for name in _choices(fields, "timestamp_granularities", Granularity))
    if response_format is ResponseFormat.VERBOSE_JSON:
        return granularities or frozenset({Granularity.SEGMENT})
    if Granularity.WORD in granularities:
        raise InvalidRequest(
            f"timestamp_granularities word: only with response_format verbose_json, not {response_format}",
            "timestamp_granularities",
        )
    return frozenset()


def _read_languages(fields: Fields, info: EngineInfo) -> LanguageChoice:
    """Return the language, or the languages among which it is detected."""
    try:
        return choose_languages(
            _single(fields, "language"),
            _several(fields, "languages"),
            info.languages,
            engine=f"the model {info.model}",
        )
    except ProtocolError as error:
        raise InvalidRequest(str(error), error.field) from error


def _read_prompt(fields: Fields) -> str:
    """Return keywords and prompt as one text; the prompt last, since of a long text the engine reads the end."""
    keywords = ", ".join(keyword.strip() for keyword in _several(fields, "keywords"))
    prompt = (_single(fields, "prompt") or "").strip()
    return " ".join(part for part in (keywords and f"{keywords}.", prompt) if part)[-_MAX_PROMPT_CHARS:]


def _read_silence_ms(fields: Fields) -> int | None:
    strategy = _single(fields, "chunking_strategy")
    kind = _single(fields, "chunking_strategy[type]")
    if (strategy or "auto") != "auto" or (kind or "server_vad") != "server_vad":
        raise InvalidRequest(
            f"chunking_strategy {shortened(strategy or kind)}: expected auto, or an object of type server_vad "
            "with its fields as chunking_strategy[…]",
            "chunking_strategy",
        )
    silence_ms = _read_number(fields, "chunking_strategy[silence_duration_ms]", 1, _MAX_SILENCE_MS)
    return None if silence_ms is None else round(silence_ms)


def _read_track(fields: Fields) -> int | None:
    text = _single(fields, "track")
    if text is None:
        return None
    if not text.strip().isdecimal() or not 1 <= int(text.strip()[:9]) <= _MAX_TRACK:
        raise InvalidRequest(f"track {shortened(text)}: expected an integer from 1 to {_MAX_TRACK}", "track")
    return int(text)


def _read_number(fields: Fields, name: str, least: float, most: float) -> float | None:
    text = _single(fields, name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise InvalidRequest(f"{name} {shortened(text)}: expected a number from {least:g} to {most:g}", name)
    return number


def _read_choice(fields: Fields, name: str, allowed: type[StrEnum] | tuple[str, ...], default: str) -> str:
    value = _single(fields, name)
    return default if value is None else _checked(value.strip().lower(), name, allowed)


def _choices(fields: Fields, name: str, allowed: type[StrEnum] | tuple[str, ...]) -> list[str]:
    return [_checked(value, name, allowed) for value in _several(fields, name)]


def _checked(value: str, name: str, allowed: type[StrEnum] | tuple[str, ...]) -> str:
    names = [str(choice) for choice in allowed]
    if value not in names:
        expected = f"expected one of {', '.join(names)}" if len(names) > 1 else f"expected {names[0]}"
        raise InvalidRequest(f"{name} {shortened(value)}: {expected}", name)
    return value


def _single(fields: Fields, name: str) -> str | None:
    values = fields.get(name, ())
    if len(values) > 1:
        raise InvalidRequest(f"{name}: given {len(values)} times; expected once", name)
    return values[0] if values and values[0].strip() else None


def _several(fields: Fields, name: str) -> list[str]:
    return [value for value in fields.get(name, ()) if value.strip()]
