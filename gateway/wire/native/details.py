"""The title of a session and the names of its channels in the native dialect, checked and converted. PURE."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import msgspec

from gateway.wire import ChannelName, Details, ProtocolError
from gateway.wire.native.messages import ChannelNameObject, DetailsChange, DetailsMessage, NameObject

__all__ = ["details_event", "details_message", "name_objects", "read_change", "read_names", "read_title"]

_change_decoder = msgspec.json.Decoder(DetailsChange)

_CONTROL = frozenset({"Cc", "Zl", "Zp"})
"""Categories of control characters and line breaks, which would break a line of a subtitle file in two."""


def read_title(text: str | None) -> str | None:
    """Return the title that a client chooses, without spaces around it; None: it chooses to have none.

    Raises:
        ProtocolError: it has control characters.
    """
    return None if text is None else _one_line(text, "title") or None


def read_names(objects: Iterable[NameObject]) -> tuple[ChannelName, ...]:
    """Return the names that a client chooses, by channel.

    Raises:
        ProtocolError: a name is blank or has control characters, or a channel has two names.
    """
    names = [ChannelName(each.channel, _one_line(each.name, "names.name"), each.color) for each in objects]
    channel, count = max(Counter(each.channel for each in names).items(), key=lambda item: item[1], default=(0, 0))
    if count > 1:
        raise ProtocolError(f"channel {channel} has {count} names: expected one", "names.channel")
    if not all(each.name for each in names):
        raise ProtocolError("a name is blank: expected a name, or no entry for that channel", "names.name")
    return tuple(sorted(names, key=lambda each: each.channel))


def read_change(text: bytes) -> Callable[[Details], Details]:
    """Return what a client changes in a session's details: a new title, new names, or both.

    Args:
        text: JSON with `title` and `names` as in the start message; what is missing stays as it is.

    Raises:
        ProtocolError: it is not such JSON.
    """
    try:
        change = _change_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError(f"{error}: expected a JSON object with title, names, or both") from error
    title = change.title if change.title is msgspec.UNSET else read_title(change.title)
    names = change.names if change.names is msgspec.UNSET else read_names(change.names)

    def apply(details: Details) -> Details:
        new_title = details.title if title is msgspec.UNSET else title
        return replace(details, title=new_title, names=details.names if names is msgspec.UNSET else names)

    return apply


def name_objects(names: Iterable[ChannelName]) -> tuple[NameObject, ...]:
    """Return names as a client sends them."""
    return tuple(NameObject(each.channel, each.name, each.color) for each in names)


def details_message(event: Details) -> DetailsMessage:
    """Return the message of an event."""
    names = tuple(ChannelNameObject(each.channel, each.name, each.color) for each in event.names)
    return DetailsMessage(event.seq, event.title, names)


def details_event(message: DetailsMessage) -> Details:
    """Return the event of a message."""
    names = tuple(ChannelName(each.channel, each.name, each.color) for each in message.names)
    return Details(message.seq, message.title, names)


def _one_line(text: str, field: str) -> str:
    text = text.strip()
    if any(unicodedata.category(character) in _CONTROL for character in text):
        raise ProtocolError(f"{field} has a control character or a line break: expected one line of text", field)
    return text
