"""Refusals of native messages that list what is allowed. PURE.

msgspec reports what is wrong and where; what is allowed is looked up in the types of the messages.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache

import msgspec
from msgspec import inspect

from gateway.wire import ProtocolError

__all__ = ["message_types", "refusal", "type_of"]

_QUOTED_CHARS = 60
"""The peer knows what it sent; the start is enough to identify it."""

_FOUND = re.compile(
    r"(?:(?P<kind>Object contains unknown field|Object missing required field|Invalid value|Invalid enum value) )?"
    r"(?P<what>.*?)"
    r"(?: - at `\$\.?(?P<place>[^`]*)`)?",
    re.DOTALL,
)
_INDEX = re.compile(r"\[[^]]*\]")


class _Head(msgspec.Struct):
    type: str


_head_decoder = msgspec.json.Decoder(_Head)


@cache
def message_types(union: object) -> Mapping[str, inspect.StructType]:
    """Return the messages of a union by the `type` they have on the wire."""
    described = inspect.type_info(union)
    assert isinstance(described, inspect.UnionType)
    return {str(kind.tag): kind for kind in described.types if isinstance(kind, inspect.StructType)}


def type_of(message: str | bytes) -> str | None:
    """Return the `type` of a message, or None if it is not a JSON object with one."""
    try:
        return _head_decoder.decode(message).type
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def refusal(error: msgspec.ValidationError, message: str | bytes, union: object) -> ProtocolError:
    """Return the error for the peer.

    Args:
        error: msgspec's error.
        message: the refused message.
        union: the allowed messages.
    """
    found = _FOUND.fullmatch(str(error))
    assert found is not None, "the pattern matches any text"
    kind, what, place = found["kind"], _shortened(found["what"]), found["place"] or ""
    name = what.strip("`")
    types = message_types(union)
    node = _at(types.get(type_of(message) or ""), place)
    match kind:
        case "Object contains unknown field":
            return ProtocolError(f"unknown field {what}{_listed(_field_names(node))}", f"{place}.{name}".strip("."))
        case "Object missing required field":
            allowed = _listed(types) if name == "type" and not place else ""
            return ProtocolError(f"missing field {what}{allowed}", f"{place}.{name}".strip("."))
        case "Invalid value":  # only used by msgspec for a message's type
            return ProtocolError(f"{place} {what}{_listed(types)}", place)
        case "Invalid enum value":
            return ProtocolError(f"{place} {what}{_listed(_enum_values(node))}", place)
        case _:
            what = what[:1].lower() + what[1:]
            return ProtocolError(f"{place}: {what}" if place else what, place or None)


def _shortened(text: str) -> str:
    return text if len(text) <= _QUOTED_CHARS else text[:_QUOTED_CHARS] + "…"


def _listed(allowed: Iterable[str]) -> str:
    names = ", ".join(allowed)
    return f": expected {names}" if names else ""


def _at(node: inspect.Type | None, place: str) -> inspect.Type | None:
    """Return the type of the field at a place such as `words[0].text`, or None if there is none."""
    for name in _INDEX.sub("", place).split(".") if place else ():
        if isinstance(node, inspect.VarTupleType):
            node = node.item_type
        if not isinstance(node, inspect.StructType):
            return None
        node = next((field.type for field in node.fields if field.encode_name == name), None)
    return node.item_type if isinstance(node, inspect.VarTupleType) else node


def _field_names(node: inspect.Type | None) -> Iterable[str]:
    if not isinstance(node, inspect.StructType):
        return ()
    tag = [node.tag_field] if node.tag_field else []
    return [*tag, *(field.encode_name for field in node.fields)]


def _enum_values(node: inspect.Type | None) -> Iterable[str]:
    return [str(member.value) for member in node.cls] if isinstance(node, inspect.EnumType) else ()
