"""What a session says, in no dialect. PURE.

Spans are half-open, in samples at 16 kHz since the session began. A codec turns them into its dialect's units.
"""

from dataclasses import dataclass

from gateway.wire.cue import Cue

__all__ = [
    "Ack",
    "CadenceChanged",
    "CueEvent",
    "DialectMessage",
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
    "SpeechEnded",
    "SpeechStarted",
    "Warning",
    "WordSpan",
    "channel_of",
    "seq_of",
]


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is open.

    Attributes:
        session_id: opaque, unique in this gateway.
        engine, model, device: what decodes.
        language: the language asked for, or None.
        resume_token: what resumes the session when the connection is lost; None: nothing does.
        next_sample: the sample frame, at the client's rate, from which sound is wanted.
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
    """One whole word of a transcript, without the spaces around it.

    Attributes:
        spaced: whether a space stands before it, unless it is the first.
    """

    text: str
    start_sample: int
    end_sample: int
    probability: float | None
    spaced: bool = True


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
class Partial:
    """The words of an open utterance so far; a newer one replaces it.

    Attributes:
        start_sample: of the utterance.
        audio_end_sample: one past the last sample of the sound that the words are of.
        committed: words that only the final may change.
        tail: words that may change sooner.
        committed_text: what is committed as it is written, a part of a word included.
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
class Gap:
    """Sound that was lost on its way; it counts as silence."""

    seq: int
    start_sample: int
    end_sample: int


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
class DialectMessage:
    """What the codec gave as `DialectReply`, to be sent as it is.

    Attributes:
        message: of the `DialectReply`.
        is_reminder: whether it was said before, and the time that the `DialectReply` named has passed.
    """

    message: str | bytes
    is_reminder: bool = False


@dataclass(frozen=True, slots=True)
class OfChannel:
    """What is said of one of several channels."""

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
    | Flushed
    | Ack
    | CadenceChanged
    | Gap
    | Warning
    | Error
    | Finished
)
"""What any session may say."""

ServerEvent = SessionEvent | Partial | DialectMessage | OfChannel
"""The same, and what is said only where the codec asks for it."""


def channel_of(event: ServerEvent) -> tuple[int | None, ServerEvent]:
    """Return the channel that an event is of, where there are several, and what is said of it."""
    return (event.channel, event.event) if isinstance(event, OfChannel) else (None, event)


def seq_of(event: ServerEvent) -> int | None:
    """Return the number of an event; None: it is between the session and its peer, and nobody else is told of it."""
    _, told = channel_of(event)
    return None if isinstance(told, DialectMessage | Partial | OfChannel) else told.seq
