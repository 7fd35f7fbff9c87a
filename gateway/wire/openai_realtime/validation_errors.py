"""Refusals of Realtime messages, with OpenAI's error codes. PURE."""

import re
from typing import TypeVar

import msgspec

from gateway.wire import ProtocolError
from gateway.wire.bounds import MAX_ID_CHARS
from gateway.wire.openai_realtime.messages import ClientMessage, SecretRequest

__all__ = ["Refusal", "event_id_of", "read_message", "read_secret_request"]

_MAX_QUOTED_CHARS = 100
"""The client knows what it sent; the start is enough to identify it."""

_FOUND = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?", re.DOTALL)

_FIELD = re.compile(r"`(?P<field>[^`]*)`")

_CODES = {
    "Object contains unknown field": "unknown_parameter",
    "Object missing required field": "missing_required_parameter",
    ", got ": "invalid_type",
}
"""Part of msgspec's message → OpenAI's code; anything else is `invalid_value`."""

_TYPES = (
    "session.update",
    "transcription_session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
)

_M = TypeVar("_M")

_message_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_secret_decoder = msgspec.json.Decoder(SecretRequest)


class Refusal(ProtocolError):
    """A client's message was refused.

    Attributes:
        reason: OpenAI's error code.
    """

    def __init__(self, message: str, reason: str = "invalid_value", field: str | None = None) -> None:
        super().__init__(message, field)
        self.reason = reason


class _Head(msgspec.Struct):
    event_id: str


_head_decoder = msgspec.json.Decoder(_Head)


def event_id_of(message: str) -> str | None:
    """Return the `event_id` of a refused message; None if it has none, or one that is too long to send back."""
    try:
        event_id = _head_decoder.decode(message).event_id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return event_id if len(event_id) <= MAX_ID_CHARS else None


def read_message(message: str) -> ClientMessage:
    """Parse one message of the client.

    Raises:
        Refusal: it is not a message of the dialect.
    """
    return _read(_message_decoder, message)


def read_secret_request(body: bytes) -> SecretRequest:
    """Parse the body of a request for a client secret.

    Raises:
        Refusal: it is not valid.
    """
    return _read(_secret_decoder, body)


def _read(decoder: msgspec.json.Decoder[_M], text: str | bytes) -> _M:
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise _refusal(error) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refusal("the message is not JSON", "invalid_json") from error


def _refusal(error: msgspec.ValidationError) -> Refusal:
    """Return the refusal for an error that msgspec found."""
    found = _FOUND.fullmatch(str(error))
    assert found is not None, "the pattern matches any text"
    what, place = found["what"], found["place"] or ""
    reason = next((code for beginning, code in _CODES.items() if beginning in what), "invalid_value")
    if reason in ("unknown_parameter", "missing_required_parameter"):
        field = _FIELD.search(what)
        place = ".".join(part for part in (place, field["field"] if field else "") if part)
        words = "Unknown" if reason == "unknown_parameter" else "Missing required"
        return Refusal(f"{words} parameter: '{_shortened(place)}'.", reason, _shortened(place))
    if place == "type" and what.startswith("Invalid value"):
        supported = ", ".join(f"'{name}'" for name in _TYPES)
        return Refusal(f"{_shortened(what)}. Supported values are: {supported}.", reason, place)
    message = f"{_shortened(place)}: {_shortened(what)}" if place else _shortened(what)
    return Refusal(message, reason, _shortened(place) or None)


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_QUOTED_CHARS else text[:_MAX_QUOTED_CHARS] + "…"
