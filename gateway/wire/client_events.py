"""What a client says, in no dialect. PURE."""

from dataclasses import dataclass, field
from typing import ClassVar

from decoder.types import Task
from vad.audio import SAMPLE_RATE_HZ, AudioFormat, Encoding
from vad.errors import LivecueError

__all__ = [
    "Audio",
    "ClientEvent",
    "DialectReply",
    "Endpointing",
    "Flush",
    "KeepAlive",
    "ProtocolError",
    "Resume",
    "Start",
    "Stop",
    "Update",
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
        threshold: how sure it must be that somebody speaks, 0.01 to 1; 0.5 is as the gateway is set.
        pad_before_ms: sound kept before the first speech.
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
class Start:
    """The first event of a session: what is coming, and what is wanted.

    Attributes:
        audio: format of the sound, of one channel where there are several.
        language: as `decoder.languages.read_language` takes it; None, `auto` or empty: it is detected.
        prompt: text that helps the engine with names and context.
        endpointing: when an utterance begins, pauses and ends.
        cue_profile: name in `gateway.captions.cue_builder.PROFILES`, or None: the gateway's.
        partials: whether cues are sent before they are final.
        words: whether finals list their words with times.
        eager: whether finals are told early, at the first short pause, and taken back when speech goes on.
        guard: whether finals say what the hallucination guard had against their words.
        transcripts: whether the words of an open utterance are told too, as `Partial`, for dialects without cues.
        channels: channels transcribed each by itself; `Audio` says which one it belongs to. With more than one, what is
            said of a channel comes as `OfChannel`.
        resumable: whether the session waits for the client when the connection is lost.
        languages: among these the language is detected, each as `language` is written; empty: the gateway's.
        file: whether the audio is a recording: its finals come after everything live, have no deadline, and are asked
            for again where the engine fails.
        is_lenient: whether a language or cue profile that is not available is warned of and not refused, so that
            it ends no phone call.
        ignored: what is said of other wishes that the codec has left out for the same reason.
        task: what is written.
        temperature: 0..1, as of `DecodeRequest`.
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


@dataclass(frozen=True, slots=True)
class Resume:
    """In place of `Start`: a session goes on over this connection.

    Attributes:
        session_id: as `Ready` had it.
        token: as `Ready` had it.
        after_seq: number of the last event that the client has seen.
        held_sample: first sample frame, at the client's rate, that the client can still send.
    """

    session_id: str
    token: str
    after_seq: int = 0
    held_sample: int = 0


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
class DialectReply:
    """Something that the dialect itself answers; it is said in its turn, as `DialectMessage`.

    Attributes:
        message: what is said.
        remind_after_s: after so long it is said once more, as a reminder; None: it is not.
    """

    message: str | bytes
    remind_after_s: float | None = None


ClientEvent = Start | Resume | Update | Audio | Flush | Stop | KeepAlive | DialectReply
