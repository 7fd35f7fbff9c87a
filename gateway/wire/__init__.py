"""The dialects: the codec seam, the table of them, and all that a codec needs to know. PURE."""

from collections.abc import Sequence
from typing import Protocol

from gateway.wire.client_events import (
    Audio,
    ClientEvent,
    DialectReply,
    Endpointing,
    Flush,
    KeepAlive,
    ProtocolError,
    Resume,
    Start,
    Stop,
    Update,
)
from gateway.wire.cue import Cue, CueState
from gateway.wire.server_events import (
    Ack,
    CadenceChanged,
    CueEvent,
    DialectMessage,
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
    SpeechEnded,
    SpeechStarted,
    Warning,
    WordSpan,
)
from vad.audio import SAMPLE_RATE_HZ, AudioFormat, Encoding
from vad.errors import LivecueError

__all__ = [
    "CODECS",
    "SAMPLE_RATE_HZ",
    "Ack",
    "Audio",
    "AudioFormat",
    "CadenceChanged",
    "ClientEvent",
    "Codec",
    "Cue",
    "CueEvent",
    "CueState",
    "DialectMessage",
    "DialectReply",
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
    "OfChannel",
    "Partial",
    "ProtocolError",
    "Ready",
    "Resume",
    "Resumed",
    "ServerEvent",
    "SessionEvent",
    "SpeechEnded",
    "SpeechStarted",
    "Start",
    "Stop",
    "Update",
    "Warning",
    "WordSpan",
]


class Codec(Protocol):
    """One dialect on one connection. Sans-IO: messages in, events out, and the other way round."""

    def open(self) -> list[ClientEvent]:
        """Return what the connection says before its first message: the start, where its address holds it.

        Raises:
            ProtocolError: the address asks for what the dialect does not allow.
        """
        ...

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Read one message of the client.

        Raises:
            ProtocolError: the dialect does not allow it. Nothing else is ever raised, whatever the message.
        """
        ...

    def send(self, event: ServerEvent) -> Sequence[str | bytes]:
        """Write one event; a dialect that has no word for it returns nothing."""
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
