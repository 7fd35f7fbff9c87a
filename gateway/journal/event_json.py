"""The JSON of events in the journal and for viewers. PURE."""

from dataclasses import replace

import msgspec

from gateway.wire import Details, OfChannel, Ready, ServerEvent
from gateway.wire.native.codec import NativeClientCodec, NativeCodec
from gateway.wire.server_events import channel_of, seq_of

__all__ = ["details_text", "event_json", "event_of"]

_codec, _client_codec = NativeCodec(), NativeClientCodec()


class _Address(msgspec.Struct):
    """The channel of a message."""

    channel: int | None = None


_address_decoder = msgspec.json.Decoder(_Address)


def event_json(event: ServerEvent) -> str:
    """Return the native message of an event without secrets, with `channel` if the session has several.

    Raises:
        ValueError: the event has no number.
    """
    channel, inner = channel_of(event)
    if isinstance(inner, Ready):  # only the client may know the token
        inner = replace(inner, resume_token=None, next_sample=0)
    if seq_of(event) is None:
        raise ValueError(f"{type(inner).__name__} is for the session's client only")
    (message,) = _codec.send(inner)
    assert isinstance(message, str), "only audio is binary"
    return message if channel is None else f'{{"channel":{channel},{message[1:]}'


def event_of(message: str) -> ServerEvent | None:
    """Return the event of a message that `event_json` returned; None: its type is unknown to this version of livecue.

    Raises:
        ProtocolError: the message is malformed.
    """
    events = _client_codec.receive(message)
    if not events:
        return None
    channel = _address_decoder.decode(message).channel
    return events[0] if channel is None else OfChannel(channel, events[0])


def details_text(details: Details | None) -> str | None:
    """Return the message of a session's details; None: it has none."""
    return None if details is None else event_json(details)
