"""The native dialect: JSON control messages and binary audio. PURE; `docs/protocol.md` describes it.

Times on the wire are seconds since the session's first sample. A second is 16 000 samples, so the conversion is exact.
"""

from typing import TypeVar, assert_never

import msgspec

from gateway.wire import (
    Audio,
    ClientEvent,
    DialectMessage,
    DialectReply,
    Flush,
    KeepAlive,
    LostAudio,
    OfChannel,
    Partial,
    ProtocolError,
    Resume,
    ServerEvent,
    Start,
    Stop,
    Update,
)
from gateway.wire.native.conversion import client_event, server_event, server_message, start_message
from gateway.wire.native.messages import (
    MAX_LOST_S,
    MIN_LOST_S,
    PROTOCOL_VERSION,
    ClientMessage,
    FlushMessage,
    KeepAliveMessage,
    LostMessage,
    ResumeMessage,
    ServerMessage,
    StopMessage,
)
from gateway.wire.native.units import to_seconds
from gateway.wire.native.validation_errors import message_types, refusal, type_of

__all__ = ["PROTOCOL_VERSION", "NativeClientCodec", "NativeCodec"]

_M = TypeVar("_M")

_encode = msgspec.json.Encoder().encode
_client_decoder = msgspec.json.Decoder(ClientMessage)
_server_decoder = msgspec.json.Decoder(ServerMessage)


class NativeCodec:
    """The gateway's end: one `start` or `resume` first, then audio and control messages, nothing after `stop`."""

    def __init__(self) -> None:
        self._has_started = False
        self._has_stopped = False

    def open(self) -> list[ClientEvent]:
        """Return nothing: the start is a message."""
        return []

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Parse one message of the client.

        Raises:
            ProtocolError: it is not a message of the dialect, or arrives out of order.
        """
        event = (
            Audio(message)
            if isinstance(message, bytes)
            else client_event(_parse(_client_decoder, message, ClientMessage))
        )
        if self._has_stopped:
            raise ProtocolError("got a message after stop: expected none")
        if isinstance(event, Start | Resume) is self._has_started:
            if self._has_started:
                raise ProtocolError(f"got a second {_describe(event)}: expected audio, flush, lost, stop or keepalive")
            raise ProtocolError(f"got {_describe(event)}: expected a start or resume message first")
        self._has_started = True
        self._has_stopped = isinstance(event, Stop)
        return [event]

    def send(self, event: ServerEvent) -> list[str | bytes]:
        """Return an event as at most one text message."""
        match event:
            case DialectMessage(str() | bytes() as message):
                return [message]
            case OfChannel() | Partial() | DialectMessage():
                return []  # the dialect has one channel, cues, and no notes
            case _:
                return [_encode(server_message(event)).decode()]


class NativeClientCodec:
    """The client's end, the mirror of `NativeCodec`."""

    def receive(self, message: str | bytes) -> list[ServerEvent]:
        """Parse one message of the gateway; types that this client does not know yield no event.

        Raises:
            ProtocolError: it is not a message of the dialect.
        """
        message_type = type_of(message)
        if message_type is not None and message_type not in message_types(ServerMessage):
            return []
        return [server_event(_parse(_server_decoder, message, ServerMessage))]

    def send(self, event: ClientEvent) -> list[str | bytes]:
        """Return an event as a message: audio as binary, the others as text."""
        match event:
            case Audio(data):
                return [data]
            case Flush(flush_id):
                message: ClientMessage = FlushMessage(flush_id)
            case LostAudio(samples):
                # within the limits, since a refusal would end the session
                message = LostMessage(min(max(to_seconds(samples), MIN_LOST_S), MAX_LOST_S))
            case Stop():
                message = StopMessage()
            case KeepAlive():
                message = KeepAliveMessage()
            case Start():
                message = start_message(event)
            case Resume(session_id, token, after_seq, held_sample):
                message = ResumeMessage(session_id, token, after_seq, held_sample)
            case Update() | DialectReply():
                return []  # the dialect has no such message
            case _:
                assert_never(event)
        return [_encode(message).decode()]


def _parse(decoder: msgspec.json.Decoder[_M], message: str | bytes, union: object) -> _M:
    try:
        return decoder.decode(message)
    except msgspec.ValidationError as error:
        raise refusal(error, message, union) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError("text that is not JSON: expected control messages as JSON, audio as binary") from error


def _describe(event: ClientEvent) -> str:
    return "audio" if isinstance(event, Audio) else f"{type(event).__name__.lower()} message"
