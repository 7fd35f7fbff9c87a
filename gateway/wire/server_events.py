"""Events of a session, independent of any dialect. PURE.

Spans are half-open, in samples at 16 kHz since the session began. A codec turns them into its dialect's units.
"""

from dataclasses import dataclass

from gateway.wire.client_events import Note
from gateway.wire.cue import Cue
from gateway.wire.details import ChannelName
from gateway.wire.sink_status import SinkStatus

__all__ = [
    "Ack",
    "CadenceChanged",
    "Correction",
    "CueEvent",
    "Details",
    "DialectMessage",
    "DrainBegun",
    "Eager",
    "Error",
    "Final",
    "Finished",
    "Flushed",
    "Gap",
    "Latency",
    "OfChannel",
    "Partial",
    "Ready",
    "Resumed",
    "ServerEvent",
    "SessionEvent",
    "SinksStatus",
    "SpeechEnded",
    "SpeechStarted",
    "Warning",
    "WordSpan",
    "channel_of",
    "seq_of",
    "without_channel",
]


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is open.

    Attributes:
        session_id: opaque, unique in this gateway.
        engine, model, device: of the decoder.
        language: the requested language, or None.
        resume_token: resumes the session after a lost connection; None: it cannot be resumed.
        next_sample: the sample frame, at the client's rate, from which the client should send audio.
    """

    seq: int
    session_id: str
    engine: str
    model: str
    device: str
    language: str | None
    resume_token: str | None = None
    next_sample: int = 0


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began."""

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
    """A new cue or a new revision of one; it replaces the earlier revision entirely."""

    seq: int
    cue: Cue


@dataclass(frozen=True, slots=True)
class WordSpan:
    """One whole word of a transcript, without the spaces around it.

    Attributes:
        spaced: whether a space precedes it, unless it is the first word.
    """

    text: str
    start_sample: int
    end_sample: int
    probability: float | None
    spaced: bool = True


@dataclass(frozen=True, slots=True)
class Latency:
    """The latency from the end of speech to the final, in seconds; the parts add up.

    Attributes:
        endpoint_s: silence, in audio time, until the end of the utterance was certain.
        queue_s: time waiting for a batch.
        decode_s: time being decoded.
        delivery_s: time waiting for earlier finals, and from the hypothesis to this event.
    """

    endpoint_s: float
    queue_s: float
    decode_s: float
    delivery_s: float


@dataclass(frozen=True, slots=True)
class Final:
    """The final transcript of an utterance; sent once per utterance, in order, never revised.

    Attributes:
        text: the words, without space at either end; may be empty.
        words: each word with its times, if requested; else empty.
        error: error code if the text is missing or incomplete, else None.
        guard: the hallucination guard's objections, if requested; words that it dropped are not in the text.
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
class Correction:
    """The captioner has replaced the text of an utterance that has its final. The final itself is not revised.

    It replaces every cue of that utterance, and every earlier correction of it.

    Attributes:
        revision: 1, 2 … within the utterance; numbers may be skipped.
        text: the corrected words, without space at either end; empty: the utterance is removed.
        cues: its final cues, laid out again, sorted by start; none if the text is empty.
        words: each corrected word with its times, if words were requested for finals; else empty.
    """

    seq: int
    utterance_id: int
    revision: int
    text: str
    cues: tuple[Cue, ...]
    words: tuple[WordSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Partial:
    """The words of an open utterance so far; a newer one replaces it.

    Attributes:
        start_sample: of the utterance.
        audio_end_sample: one past the last sample of the decoded audio.
        committed: words that only the final may change.
        tail: words that the next partial may change.
        committed_text: the committed text as written, including a committed part of a word.
    """

    seq: int
    utterance_id: int
    start_sample: int
    audio_end_sample: int
    committed: tuple[WordSpan, ...]
    tail: tuple[WordSpan, ...]
    language: str | None
    committed_text: str = ""


@dataclass(frozen=True, slots=True)
class Eager:
    """The final in advance, in case the current pause ends the utterance; a voice agent may begin to answer.

    Either the `Final` with this text follows, or `Resumed`.
    """

    seq: int
    utterance_id: int
    text: str
    language: str | None


@dataclass(frozen=True, slots=True)
class Resumed:
    """Speech resumed: the utterance continues, and `Eager` is retracted."""

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
    """All audio before the flush with this id has been answered."""

    seq: int
    flush_id: str


@dataclass(frozen=True, slots=True)
class Ack:
    """The session's progress, in sample frames at the client's rate.

    Attributes:
        received_samples: received so far.
        processed_samples: answered so far; no final before it is outstanding.
    """

    seq: int
    received_samples: int
    processed_samples: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio that was lost in transit; it is decoded as silence."""

    seq: int
    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class Details:
    """The session's title and the names of its channels, whole each time: it replaces the one before.

    Attributes:
        title: None: it has no title.
        names: by channel; a session with one channel has at most the name of channel 0.
    """

    seq: int
    title: str | None = None
    names: tuple[ChannelName, ...] = ()


@dataclass(frozen=True, slots=True)
class Warning:
    """A problem that the user may want to fix; the session continues."""

    seq: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SinksStatus:
    """The state of all sinks of the session has changed; for its client only."""

    seq: int
    sinks: tuple[SinkStatus, ...]


@dataclass(frozen=True, slots=True)
class DrainBegun:
    """The gateway is stopping; the client should connect to another one.

    Attributes:
        grace_s: until the connection is closed at the latest, in seconds.
        can_resume: whether another gateway continues this session, once this connection is closed.
    """

    seq: int
    grace_s: float
    can_resume: bool


@dataclass(frozen=True, slots=True)
class Error:
    """A refusal or failure; if `fatal`, the connection closes next."""

    seq: int
    code: str
    message: str
    fatal: bool
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event: every final has been sent.

    Attributes:
        audio_samples: audio received, at 16 kHz.
        utterances: number of finals.
    """

    seq: int
    audio_samples: int
    utterances: int


@dataclass(frozen=True, slots=True)
class DialectMessage:
    """The codec's `DialectReply`, back in its turn: text and bytes are sent unchanged, a note is for the codec.

    Attributes:
        message: of the `DialectReply`.
        is_reminder: whether this is the repetition that the `DialectReply` asked for.
    """

    message: str | bytes | Note
    is_reminder: bool = False


@dataclass(frozen=True, slots=True)
class OfChannel:
    """An event of one of several channels."""

    channel: int
    event: "ServerEvent"


SessionEvent = (
    Ready
    | SpeechStarted
    | SpeechEnded
    | CueEvent
    | Eager
    | Resumed
    | Final
    | Correction
    | Flushed
    | Ack
    | CadenceChanged
    | Gap
    | Details
    | Warning
    | SinksStatus
    | DrainBegun
    | Error
    | Finished
)
"""What any session may emit."""

ServerEvent = SessionEvent | Partial | DialectMessage | OfChannel
"""The same, and events that are emitted only if the codec requests them."""


def channel_of(event: ServerEvent) -> tuple[int | None, ServerEvent]:
    """Return an event's channel, or None if the session has only one, and the event without it."""
    return (event.channel, event.event) if isinstance(event, OfChannel) else (None, event)


def without_channel(event: ServerEvent) -> ServerEvent:
    """Return an event without its channel."""
    return channel_of(event)[1]


def seq_of(event: ServerEvent) -> int | None:
    """Return an event's sequence number; None: it is only for the peer, neither recorded nor published."""
    inner = without_channel(event)
    return None if isinstance(inner, DialectMessage | Partial | OfChannel) else inner.seq
