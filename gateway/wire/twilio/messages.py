"""The messages of telephone services' media streams: Twilio, and those that imitate it. PURE.

They differ in the spelling of the same fields (Telnyx `stream_id`, Plivo `streamId`, Exotel `stream_sid`), in whether
numbers are strings, and in the audio format. Other fields and messages are ignored.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from gateway.wire import AudioFormat, Encoding, ProtocolError
from gateway.wire.bounds import MAX_NAME_CHARS, MAX_TEXT_CHARS
from vad.errors import AudioFormatError

__all__ = ["PARAMETERS", "CallStart", "Media", "Other", "StreamStop", "read"]

MAX_TRACKS = 8
"""More are refused later anyway; this bound keeps a list of a million from being processed."""

MAX_PROMPT_CHARS = 1_000
"""The part of a prompt that Whisper reads."""

_QUOTED_CHARS = 60

_MAX_DIGITS = 15
"""In a number; a date in microseconds has 16."""

_TELEPHONE_RATE_HZ = 8_000

_ENCODINGS = {
    "mulaw": Encoding.PCM_MULAW,
    "ulaw": Encoding.PCM_MULAW,
    "pcmu": Encoding.PCM_MULAW,
    "alaw": Encoding.PCM_ALAW,
    "pcma": Encoding.PCM_ALAW,
    "l16": Encoding.PCM_S16LE,
    "slin": Encoding.PCM_S16LE,
    "linear16": Encoding.PCM_S16LE,
    "pcm": Encoding.PCM_S16LE,
    "base64": Encoding.PCM_S16LE,  # Exotel names the transfer encoding; the audio is 16 bits, little-endian
}
"""Name of an encoding, without `audio/x-` → encoding."""

PARAMETERS = ("language", "lang", "prompt", "profile")
"""Those that are read; others belong to the service and its customer."""

_MAX_OTHER_PARAMETERS = 100

_DEFAULT_TRACKS = ("inbound", "outbound")
"""The caller's audio, and the audio played to the caller."""

_KILOHERTZ = re.compile(r"(\d{1,3})\s*khz", re.IGNORECASE)
_PARAMETER_SEPARATOR, _VALUE_SEPARATOR = re.compile(r"[;,{}]"), re.compile(r"[=:]")
"""Plivo's extra headers: `a=1;b=2`, or in the form of its logs, `{a: 1, b: 2}`."""


@dataclass(frozen=True, slots=True)
class CallStart:
    """The start of a call.

    Attributes:
        audio: of each track.
        tracks: names of the tracks; the first is channel 0.
        stream_id: the service's id of this connection.
        call_id: the service's id of the call.
        parameters: the custom parameters of the call.
    """

    audio: AudioFormat
    tracks: tuple[str, ...]
    stream_id: str
    call_id: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Media:
    """A frame of a track.

    Attributes:
        track: name of the track; empty: not given.
        number: position in the order in which the track's frames were sent; None: not given.
        timestamp_ms: start of its audio, on a clock shared by all tracks; None: not given.
    """

    track: str
    data: bytes
    number: int | None
    timestamp_ms: int | None


@dataclass(frozen=True, slots=True)
class StreamStop:
    """The call is over."""


@dataclass(frozen=True, slots=True)
class Other:
    """A message that does not concern captions: connected, dtmf, mark, clear …"""


Message = CallStart | Media | StreamStop | Other


def read(message: str | bytes) -> Message:
    """Parse one message of any of the services.

    Raises:
        ProtocolError: it is of none of them.
    """
    fields = _parsed(message)
    event = fields.get("event")
    match event:
        case "start":
            return _start(fields)
        case "media":
            return _media(fields)
        case "stop":
            return StreamStop()
        case str():
            return Other()
        case _:
            raise ProtocolError("event: expected a string such as start, media, stop, dtmf or mark", "event")


def _parsed(message: str | bytes) -> Mapping[str, object]:
    if isinstance(message, bytes):
        raise ProtocolError("got a binary message: expected text with a JSON object")
    try:
        fields: object = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError("text that is not JSON: expected a JSON object with an event") from error
    if not isinstance(fields, dict):
        raise ProtocolError("JSON that is not an object: expected an object with an event")
    return fields


def _start(fields: Mapping[str, object]) -> CallStart:
    start = _object(fields.get("start"))
    audio_format = _object(_first(start, "mediaFormat", "media_format"))
    custom = _first(start, "customParameters", "custom_parameters") or fields.get("extra_headers")
    names = ("streamSid", "stream_sid", "streamId", "stream_id")
    return CallStart(
        audio=_audio(audio_format),
        tracks=_tracks(start),
        stream_id=_text(_first(start, *names) or _first(fields, *names)),
        call_id=_text(_first(start, "callSid", "call_sid", "callId", "call_control_id")),
        parameters=_parameters(custom),
    )


def _media(fields: Mapping[str, object]) -> Media:
    media = _object(fields.get("media"))
    payload = media.get("payload")
    if not isinstance(payload, str):
        raise ProtocolError("media.payload is missing: expected audio in base64", "media.payload")
    try:
        data = a2b_base64(payload, strict_mode=True)
    except (Base64Error, ValueError) as error:
        raise ProtocolError(f"media.payload is not base64: {error}", "media.payload") from error
    number = _number(media.get("chunk"))
    if number is None:
        number = _number(_first(fields, "sequenceNumber", "sequence_number"))
    return Media(_track(media.get("track")), data, number, _number(media.get("timestamp")))


def _audio(described: Mapping[str, object]) -> AudioFormat:
    name, _, options = _text(described.get("encoding")).lower().partition(";")
    kind = name.strip().rpartition("/")[2].removeprefix("x-")
    encoding = _ENCODINGS.get(kind or "mulaw")
    if encoding is None:
        allowed = ", ".join(_ENCODINGS)
        raise ProtocolError(
            f"encoding {name[:_QUOTED_CHARS]!r}: expected one of {allowed}", "start.mediaFormat.encoding"
        )
    rate_hz = _rate_hz(_first(described, "sampleRate", "sample_rate") or options.rpartition("rate=")[2])
    try:
        return AudioFormat(encoding, rate_hz, _number(described.get("channels")) or 1)
    except AudioFormatError as error:
        raise ProtocolError(str(error), "start.mediaFormat") from error


def _rate_hz(value: object) -> int:
    kilohertz = _KILOHERTZ.fullmatch(value) if isinstance(value, str) else None
    return int(kilohertz[1]) * 1_000 if kilohertz else _number(value) or _TELEPHONE_RATE_HZ


def _tracks(start: Mapping[str, object]) -> tuple[str, ...]:
    listed = start.get("tracks")
    if not isinstance(listed, list) or not listed:
        return _DEFAULT_TRACKS  # Telnyx and Exotel do not announce their tracks
    if len(listed) > MAX_TRACKS:
        raise ProtocolError(f"got {len(listed)} tracks: at most {MAX_TRACKS} allowed", "start.tracks")
    return tuple(dict.fromkeys(_track(track) or _DEFAULT_TRACKS[0] for track in listed))


def _track(name: object) -> str:
    return _text(name).removesuffix("_track")


def _parameters(value: object) -> dict[str, str]:
    """Return the parameters that are read, and the names of some others."""
    given = _written_parameters(value) if isinstance(value, str) else _object(value)
    others = islice((name[:MAX_NAME_CHARS] for name in given if name not in PARAMETERS), _MAX_OTHER_PARAMETERS)
    known = {name: text[:MAX_TEXT_CHARS] for name in PARAMETERS if isinstance(text := given.get(name), str)}
    return dict.fromkeys(others, "") | known


def _written_parameters(text: str) -> dict[str, str]:
    pairs = (_VALUE_SEPARATOR.split(part, 1) for part in _PARAMETER_SEPARATOR.split(text))
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) > 1}


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _first(fields: Mapping[str, object], *names: str) -> object:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _text(value: object) -> str:
    """Return a service's name or id, truncated; a refusal would end the call."""
    return value[:MAX_NAME_CHARS] if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    """Return a whole number given as a number or a string; None if it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 10**_MAX_DIGITS else None
    is_written = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS
    return int(value) if isinstance(value, str) and is_written else None
