"""The dialects: the codec seam, the table of codecs, and the events that codecs translate. PURE."""

from collections.abc import Sequence
from typing import Protocol

from gateway.wire.client_events import (
    Audio,
    ClientEvent,
    DialectReply,
    Endpointing,
    Flush,
    KeepAlive,
    LostAudio,
    Note,
    ProtocolError,
    Resume,
    SinkChoice,
    Start,
    Stop,
    Update,
)
from gateway.wire.cue import Cue, CueState
from gateway.wire.details import ChannelName
from gateway.wire.server_events import (
    Ack,
    CadenceChanged,
    Correction,
    CueEvent,
    Details,
    DialectMessage,
    DrainBegun,
    Eager,
    Error,
    Final,
    Finished,
    Flushed,
    Gap,
    Latency,
    OfChannel,
    Partial,
    Ready,
    Resumed,
    ServerEvent,
    SessionEvent,
    SinksStatus,
    SpeechEnded,
    SpeechStarted,
    Warning,
    WordSpan,
)
from gateway.wire.sink_status import SinkStatus
from vad.audio import SAMPLE_RATE_HZ, AudioFormat, Encoding
from vad.errors import LivecueError

__all__ = [
    "CODECS",
    "SAMPLE_RATE_HZ",
    "Ack",
    "Audio",
    "AudioFormat",
    "CadenceChanged",
    "ChannelName",
    "ClientEvent",
    "Codec",
    "Correction",
    "Cue",
    "CueEvent",
    "CueState",
    "Details",
    "DialectMessage",
    "DialectReply",
    "DrainBegun",
    "Eager",
    "Encoding",
    "Endpointing",
    "Error",
    "Final",
    "Finished",
    "Flush",
    "Flushed",
    "Gap",
    "KeepAlive",
    "Latency",
    "LivecueError",
    "LostAudio",
    "Note",
    "OfChannel",
    "Partial",
    "ProtocolError",
    "Ready",
    "Resume",
    "Resumed",
    "ServerEvent",
    "SessionEvent",
    "SinkChoice",
    "SinkStatus",
    "SinksStatus",
    "SpeechEnded",
    "SpeechStarted",
    "Start",
    "Stop",
    "Update",
    "Warning",
    "WordSpan",
]


class Codec(Protocol):
    """One dialect on one connection. Sans-IO: messages to client events, server events to messages."""

    def open(self) -> list[ClientEvent]:
        """Return the events that precede the first message: the start, if the URL carries it.

        Raises:
            ProtocolError: the URL requests something that the dialect does not allow.
        """
        ...

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Parse one message of the client.

        Raises:
            ProtocolError: the dialect does not allow it. No other error is raised, whatever the message.
        """
        ...

    def send(self, event: ServerEvent) -> Sequence[str | bytes]:
        """Return an event as messages; none if the dialect has no message for it."""
        ...


CODECS: dict[str, str] = {
    "deepgram": "gateway.wire.deepgram.codec:DeepgramCodec",
    "deepgram_flux": "gateway.wire.deepgram.flux_codec:FluxCodec",
    "native": "gateway.wire.native.codec:NativeCodec",
    "openai_realtime": "gateway.wire.openai_realtime.codec:OpenAIRealtimeCodec",
    "twilio": "gateway.wire.twilio.codec:TwilioCodec",
    "vosk": "gateway.wire.vosk.codec:VoskCodec",
    "wyoming": "gateway.wire.wyoming.codec:WyomingCodec",
}
"""Dialect → class."""
