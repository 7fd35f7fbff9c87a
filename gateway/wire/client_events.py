"""Events from the client, independent of any dialect. PURE."""

from dataclasses import dataclass, field
from typing import ClassVar

from decoder.types import Task
from gateway.wire.details import ChannelName
from vad.audio import SAMPLE_RATE_HZ, AudioFormat, Encoding
from vad.errors import LivecueError

__all__ = [
    "Audio",
    "ClientEvent",
    "DialectReply",
    "Endpointing",
    "Flush",
    "KeepAlive",
    "LostAudio",
    "Note",
    "ProtocolError",
    "Resume",
    "SinkChoice",
    "Start",
    "Stop",
    "Update",
]


class ProtocolError(LivecueError):
    """The peer sent something its dialect does not allow; the message names it and what is allowed.

    Attributes:
        field: the offending field, if any.
    """

    code: ClassVar[str] = "protocol_error"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Endpointing:
    """The client's overrides of the gateway's endpointing settings; None keeps a setting.

    Attributes:
        detector: name in `vad.detector.DETECTORS`.
        silence_ms: silence that ends an utterance.
        pause_ms: silence after which the utterance so far is decoded at once.
        max_utterance_s: longer speech is split.
        partial_interval_ms: new speech between two partials.
        manual: whether all audio counts as speech, which ends at the client's flush or at the maximum length.
        threshold: speech probability from which audio counts as speech, 0.01..1; 0.5 is the gateway's own setting.
        pad_before_ms: audio kept before the first speech.
    """

    detector: str | None = None
    silence_ms: int | None = None
    pause_ms: int | None = None
    max_utterance_s: float | None = None
    partial_interval_ms: int | None = None
    manual: bool = False
    threshold: float | None = None
    pad_before_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SinkChoice:
    """A sink that the client wants its captions sent to.

    Attributes:
        name: of one that the operator has configured; of its own, if there is a URL.
        url: of a sink that the client brings; it contains secrets.
    """

    name: str
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Start:
    """The first event of a session: its audio format and its options.

    Attributes:
        audio: format of the audio; of each channel if there are several.
        language: as `decoder.languages.read_language` accepts it; None, `auto` or empty: it is detected.
        prompt: text that helps the engine with names and context.
        endpointing: when an utterance begins, pauses and ends.
        cue_profile: name in `gateway.captions.cue_builder.PROFILES`, or None: the gateway's.
        partials: whether cues are sent before they are final.
        words: whether finals list their words with times.
        eager: whether finals are sent early, at the first short pause, and retracted when speech resumes.
        guard: whether finals list the hallucination guard's objections to their words.
        transcripts: whether the words of an open utterance are sent too, as `Partial`, for dialects without cues.
        channels: channels, each transcribed separately; `Audio` names its own. With more than one, the events of a
            channel are wrapped in `OfChannel`.
        resumable: whether the session waits for the client when the connection is lost.
        languages: candidates for language detection, each as in `language`; empty: the gateway's.
        file: whether the audio is a recording: its finals are scheduled after all live requests, have no deadline,
            and are retried when the engine fails.
        is_lenient: whether an unavailable language or cue profile causes a warning instead of a refusal, which would
            end a phone call.
        ignored: warnings about other options that the codec dropped for the same reason.
        task: transcription or translation.
        temperature: 0..1, as of `DecodeRequest`.
        title: of the session, for people; None: it has none.
        names: of its channels.
        event: name of the caption event at whose address it is watched; None: it has none.
        sinks: where captions are sent; None: to the sinks that the operator has chosen for all sessions.
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
    transcripts: bool = False
    channels: int = 1
    resumable: bool = False
    languages: tuple[str, ...] = ()
    file: bool = False
    is_lenient: bool = False
    ignored: tuple[str, ...] = ()
    task: Task = Task.TRANSCRIBE
    temperature: float = 0.0
    title: str | None = None
    names: tuple[ChannelName, ...] = ()
    event: str | None = None
    sinks: tuple[SinkChoice, ...] | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Sent in place of `Start`: continue an earlier session on this connection.

    Attributes:
        session_id: from `Ready`.
        token: from `Ready`.
        after_seq: sequence number of the last event that the client received.
        held_sample: first sample frame, at the client's rate, that the client can still send.
    """

    session_id: str
    token: str
    after_seq: int = 0
    held_sample: int = 0


@dataclass(frozen=True, slots=True)
class Update:
    """Change the options from here on. Format, channels and cue profile stay as they were at the start."""

    start: Start


@dataclass(frozen=True, slots=True)
class Audio:
    """The next bytes of audio of a channel (0, 1 …), cut anywhere."""

    data: bytes
    channel: int = 0


@dataclass(frozen=True, slots=True)
class Flush:
    """End the utterance now, and emit `Flushed` once all audio up to here has been answered."""

    flush_id: str


@dataclass(frozen=True, slots=True)
class LostAudio:
    """The next audio is silence in place of audio that the client has lost: emit `Gap` for it.

    Attributes:
        samples: length of that silence at 16 kHz, > 0.
    """

    samples: int


@dataclass(frozen=True, slots=True)
class Stop:
    """No more audio follows: finish and close."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Keep the connection open although there is no audio to send."""


class Note:
    """Base of a codec's notes to itself, one frozen dataclass per purpose.

    The receiving half of a codec cannot write a reply whose content depends on the events sent before it. So it queues
    a note, and the sending half turns the note into messages in its turn among the session's events.
    """

    __slots__ = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of variable content, approximately; queues are bounded by it."""
        return 0


@dataclass(frozen=True, slots=True)
class DialectReply:
    """A codec's own reply to its client; it comes back as `DialectMessage` in its turn among the session's events.

    Attributes:
        message: what to send, or a note to the codec's sending half.
        remind_after_s: delay after which it comes back once more, as a reminder; None: never.
    """

    message: str | bytes | Note
    remind_after_s: float | None = None


ClientEvent = Start | Resume | Update | Audio | Flush | LostAudio | Stop | KeepAlive | DialectReply
