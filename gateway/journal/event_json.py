"""What is kept of what a session says: what newer events take the place of, and how one is written down. PURE."""

from dataclasses import replace

import msgspec

from gateway.wire import (
    OfChannel,
    Ready,
    ServerEvent,
)
from gateway.wire.native.codec import NativeClientCodec, NativeCodec
from gateway.wire.server_events import channel_of, seq_of

__all__ = ["event_json", "event_of"]

_codec, _client_codec = NativeCodec(), NativeClientCodec()


class _Address(msgspec.Struct):
    """Whom a message is of."""

    channel: int | None = None


_address_decoder = msgspec.json.Decoder(_Address)


def event_json(event: ServerEvent) -> str:
    """Return an event as others are told it: its message in the native dialect, with its `channel` where it has one.

    Raises:
        ValueError: it is one that has no number.
    """
    channel, told = channel_of(event)
    if isinstance(told, Ready):  # its token is for whoever opened the session
        told = replace(told, resume_token=None, next_sample=0)
    if seq_of(event) is None:
        raise ValueError(f"{type(told).__name__} is between the session and its peer")
    (message,) = _codec.send(told)
    assert isinstance(message, str), "only sound is binary"
    return message if channel is None else f'{{"channel":{channel},{message[1:]}'


def event_of(message: str) -> ServerEvent | None:
    """Return the event that `event_json` wrote; None: it is of a type that only a newer livecue knows.

    Raises:
        ProtocolError: it is no such message.
    """
    events = _client_codec.receive(message)
    if not events:
        return None
    channel = _address_decoder.decode(message).channel
    return events[0] if channel is None else OfChannel(channel, events[0])
