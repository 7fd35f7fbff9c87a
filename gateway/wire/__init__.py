"""What a connection says and hears, in no dialect: events, the codec seam, and the table of dialects.

Spans are half-open, in samples at 16 kHz since the session began. A codec turns them into its dialect's units.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from gateway.cues import Cue, CueState
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
    "Eager",
    "Encoding",
    "Endpointing",
    "Error",
    "Final",
    "Finished",
    "Flush",
    "Flushed",
    "KeepAlive",
    "Latency",
    "LivecueError",
    "OfChannel",
    "ProtocolError",
    "Ready",
    "Resumed",
    "Said",
    "Say",
    "ServerEvent",
    "SpeechEnded",
    "SpeechStarted",
    "Start",
    "Stop",
    "Update",
    "Warning",
    "WordSpan",
]


class ProtocolError(LivecueError):
    """The peer sent something its dialect does not allow; the message says what, and what it allows.

    Attributes:
        field: the offending field, where there is one.
    """

    code: ClassVar[str] = "protocol_error"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


# --- what a client says ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Endpointing:
    """What the client wants otherwise than the gateway's settings; None leaves a setting as it is.

    Attributes:
        detector: name in `vad.detector.DETECTORS`.
        silence_ms: silence that ends an utterance.
        pause_ms: silence at which the words so far are decoded at once.
        max_utterance_s: longer speech is split.
        partial_interval_ms: new speech between two partials.
        manual: whether all sound is speech, which ends where the client flushes it, or after the longest utterance.
    """

    detector: str | None = None
    silence_ms: int | None = None
    pause_ms: int | None = None
    max_utterance_s: float | None = None
    partial_interval_ms: int | None = None
    manual: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """The first event of a session: what is coming, and what is wanted.

    Attributes:
        audio: format of the sound, of one channel where there are several.
        language: ISO-639-1, or None: the engine finds out.
        prompt: text that helps the engine with names and context.
        endpointing: when an utterance begins, pauses and ends.
        cue_profile: name in `gateway.cues.PROFILES`, or None: the gateway's.
        partials: whether cues are sent before they are final.
        words: whether finals list their words with times.
        eager: whether finals are told early, at the first short pause, and taken back when speech goes on.
        guard: whether finals say what the hallucination guard had against their words.
        channels: channels transcribed each by itself; `Audio` says which one it belongs to. With more than one, what is
            said of a channel comes as `OfChannel`.
    """

    audio: AudioFormat = field(default_factory=lambda: AudioFormat(Encoding.PCM_S16LE, SAMPLE_RATE_HZ, 1))
    language: str | None = None
    prompt: str = ""
    endpointing: Endpointing = field(default_factory=Endpointing)
    cue_profile: str | None = None
    partials: bool = True
    words: bool = False
    eager: bool = False
    guard: bool = False
    channels: int = 1


@dataclass(frozen=True, slots=True)
class Update:
    """What is wanted from here on. Format, channels and cue profile stay those of the session's start."""

    start: Start


@dataclass(frozen=True, slots=True)
class Audio:
    """The next bytes of sound, cut anywhere, of channel 0, 1 …"""

    data: bytes
    channel: int = 0


@dataclass(frozen=True, slots=True)
class Flush:
    """End the utterance now, and say when everything up to here has been answered."""

    flush_id: str


@dataclass(frozen=True, slots=True)
class Stop:
    """No more sound; finish and say goodbye."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Still here, though there is no sound to send."""


@dataclass(frozen=True, slots=True)
class Say:
    """Something that the dialect itself answers; it is said in its turn, as `Said`."""

    message: str | bytes


ClientEvent = Start | Update | Audio | Flush | Stop | KeepAlive | Say


# --- what a session says -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is open.

    Attributes:
        session_id: opaque, unique in this gateway.
        engine, model, device: what decodes.
        language: the language asked for, or None.
    """

    seq: int
    session_id: str
    engine: str
    model: str
    device: str
    language: str | None


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak."""

    seq: int
    utterance_id: int
    start_sample: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """An utterance ended; its final follows.

    Attributes:
        reason: silence, max_length or flush.
    """

    seq: int
    utterance_id: int
    start_sample: int
    end_sample: int
    reason: str


@dataclass(frozen=True, slots=True)
class CueEvent:
    """A new cue, or a new revision of one; it replaces the earlier revision whole."""

    seq: int
    cue: Cue


@dataclass(frozen=True, slots=True)
class WordSpan:
    """One word of a final, without the spaces around it."""

    text: str
    start_sample: int
    end_sample: int
    probability: float | None


@dataclass(frozen=True, slots=True)
class Latency:
    """Where the time between the end of speech and the final went, in seconds; the parts add up.

    Attributes:
        endpoint_s: silence waited for, in audio time, until it was sure that the utterance had ended.
        queue_s: waiting for a batch.
        decode_s: being decoded.
        delivery_s: waiting for earlier finals, and from the answer to this event.
    """

    endpoint_s: float
    queue_s: float
    decode_s: float
    delivery_s: float


@dataclass(frozen=True, slots=True)
class Final:
    """The words of an utterance; sent once an utterance, in order, never revised.

    Attributes:
        text: the words, without space at either end; may be empty.
        words: each word with its time, when asked for; else empty.
        error: why the text is missing or unfinished (an error code), else None.
        guard: what the hallucination guard had against the words, when asked for; those it dropped are gone.
    """

    seq: int
    utterance_id: int
    start_sample: int
    end_sample: int
    text: str
    language: str | None
    latency: Latency
    words: tuple[WordSpan, ...] = ()
    error: str | None = None
    guard: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Eager:
    """What the final will be if the pause just heard ends the utterance; a voice agent may begin to think.

    Either the `Final` with this text follows, or `Resumed`.
    """

    seq: int
    utterance_id: int
    text: str
    language: str | None


@dataclass(frozen=True, slots=True)
class Resumed:
    """The pause was none: the utterance goes on, and what `Eager` said is void."""

    seq: int
    utterance_id: int


@dataclass(frozen=True, slots=True)
class CadenceChanged:
    """How often partials come has changed, for the engine is behind, or is so no more.

    Attributes:
        partial_interval_samples: new speech between two partials.
    """

    seq: int
    partial_interval_samples: int


@dataclass(frozen=True, slots=True)
class Flushed:
    """All sound before the flush of that id has been answered."""

    seq: int
    flush_id: str


@dataclass(frozen=True, slots=True)
class Ack:
    """How far the session is, in sample frames at the rate the client sends.

    Attributes:
        received_samples: heard so far.
        processed_samples: of these, answered so far: no final is outstanding for anything before.
    """

    seq: int
    received_samples: int
    processed_samples: int


@dataclass(frozen=True, slots=True)
class Warning:
    """Something the user may want to mend; the session goes on."""

    seq: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Error:
    """Something was refused; when `fatal`, the connection closes next."""

    seq: int
    code: str
    message: str
    fatal: bool
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event: every final has been sent.

    Attributes:
        audio_samples: sound heard, at 16 kHz.
        utterances: how many finals there were.
    """

    seq: int
    audio_samples: int
    utterances: int


@dataclass(frozen=True, slots=True)
class Said:
    """What the codec gave as `Say`, to be sent as it is."""

    message: str | bytes


@dataclass(frozen=True, slots=True)
class OfChannel:
    """What is said of one of several channels."""

    channel: int
    event: "ServerEvent"


ServerEvent = (
    Ready
    | SpeechStarted
    | SpeechEnded
    | CueEvent
    | Eager
    | Resumed
    | Final
    | Flushed
    | Ack
    | CadenceChanged
    | Warning
    | Error
    | Finished
    | Said
    | OfChannel
)


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
    "native": "gateway.wire.native:NativeCodec",
}
"""Dialect → class."""
