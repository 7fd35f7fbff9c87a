"""JSON messages of servers, of which only the fields that a driver reads are typed. PURE."""

from collections.abc import Mapping
from reprlib import repr as shortened
from typing import TypeVar

import msgspec

from gateway.wire import ProtocolError

__all__ = ["encode", "parse", "type_of", "with_options"]

_M = TypeVar("_M")


class _Kind(msgspec.Struct):
    type: str = ""


def parse(message: str | bytes, kind: type[_M]) -> _M:
    """Return a message as the given type; its other fields are ignored, and numbers may be written as strings.

    Raises:
        ProtocolError: it is not JSON, or not of that type.
    """
    try:
        return msgspec.json.decode(message, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError(f"unexpected message of the server, {shortened(message)}: {error}") from error


def type_of(message: str | bytes) -> str:
    """Return the `type` of a message; empty: it has none.

    Raises:
        ProtocolError: it is not a JSON object.
    """
    return parse(message, _Kind).type


def encode(message: object) -> str:
    """Return a message as JSON."""
    return msgspec.json.encode(message).decode()


def with_options(message: Mapping[str, object], options: Mapping[str, str]) -> dict[str, object]:
    """Return a message with a user's options set in it.

    Args:
        message: an object.
        options: name → value. A name with dots reaches into an object, which is made if it is missing: `a.b`. A value
            that is JSON is set as such, else as a string.
    """
    changed = dict(message)
    for name, value in options.items():
        first, _, rest = name.partition(".")
        if rest:
            inner = changed.get(first)
            changed[first] = with_options(inner if isinstance(inner, dict) else {}, {rest: value})
        else:
            changed[first] = _value(value)
    return changed


def _value(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
