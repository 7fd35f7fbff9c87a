"""The decoder's data types and its branch of the error tree. PURE.

LivecueError
└── EngineError               a request has no transcript
    ├── EngineFailed          the engine raised, or returned an invalid answer
    ├── EngineTimeout         the engine did not answer in time
    ├── EngineBusy            no capacity for a partial now; a later one may succeed
    ├── RequestReplaced       superseded by a newer request of the same utterance
    ├── RequestCancelled      the session ended before it was decoded
    └── ModelError            the model cannot be loaded
"""

from dataclasses import dataclass
from enum import StrEnum

from vad.audio import Float32
from vad.errors import LivecueError

__all__ = [
    "DecodeRequest",
    "EngineBusy",
    "EngineError",
    "EngineFailed",
    "EngineTimeout",
    "Hypothesis",
    "ModelError",
    "RequestCancelled",
    "RequestKind",
    "RequestReplaced",
    "Task",
    "Transcript",
    "Word",
]


class EngineError(LivecueError):
    """A request has no transcript."""

    code = "engine_error"


class EngineFailed(EngineError):
    """The engine raised, or returned an invalid answer."""

    code = "engine_failed"


class EngineTimeout(EngineError):
    """The engine did not answer in time."""

    code = "engine_timeout"


class EngineBusy(EngineError):
    """The engine has no capacity for this partial now; a later one may succeed."""

    code = "engine_busy"


class RequestReplaced(EngineError):
    """The request was superseded in the queue by a newer one of the same utterance."""

    code = "request_replaced"


class RequestCancelled(EngineError):
    """The session ended before the request was decoded."""

    code = "request_cancelled"


class ModelError(EngineError):
    """The model cannot be loaded."""

    code = "model_error"


class RequestKind(StrEnum):
    """The purpose of a request."""

    PARTIAL = "partial"
    EAGER = "eager"
    FINAL = "final"
    FILE = "file"

    @property
    def ends_utterance(self) -> bool:
        """Whether a request of this kind is the last of its utterance."""
        return self in (RequestKind.FINAL, RequestKind.FILE)


class Task(StrEnum):
    """The text to produce: a transcript, or a translation into English."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


@dataclass(frozen=True, slots=True)
class Word:
    """One word and its time.

    Attributes:
        text: the word as written, with a leading space if the language uses one.
        start_sample: first sample, at 16 kHz since the session began.
        end_sample: one past the last sample, ≥ `start_sample`.
        probability: 0..1, or None if unknown. The times are then estimates too, interpolated between other words, as in
            Whisper's partials.
    """

    text: str
    start_sample: int
    end_sample: int
    probability: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DecodeRequest:
    """A request to transcribe one utterance so far.

    Attributes:
        session_id: the session that it belongs to.
        utterance_id: the utterance of that session.
        revision: 1, 2 … within the utterance; a later request has a greater one.
        kind: partial, eager (a speculative final, before the end of the utterance is certain), final, or file (the
            final of an utterance of a file, decoded after all live requests).
        samples: float32[n] mono 16 kHz, the whole utterance so far; a later request of the utterance extends it.
        start_sample: where `samples` begins on the session's time line.
        deadline_s: when the answer is due, on the scheduler's clock.
        language: ISO-639-1, or None: the engine detects it.
        languages: ISO-639-1 codes that detection may choose from; empty: all that the engine supports. An engine that
            cannot restrict detection may ignore them.
        prompt: preceding text, as context; may be empty.
        prefix: words already committed. A partial continues them; a final is decoded from all of the audio, and may
            keep those of them that are as likely.
        task: transcribe or translate.
        in_haste: whether the engine is behind, so that half the work is worth an answer that may be slightly worse.
        ends_in_speech: whether the audio ends in speech, so that its last word may be incomplete.
        temperature: 0..1; above 0 words are sampled, less likely ones more often at higher values.
        speech_probability: 0..1, from the detector; None without a detector.
    """

    session_id: str
    utterance_id: int
    revision: int
    kind: RequestKind
    samples: Float32
    start_sample: int
    deadline_s: float
    language: str | None = None
    prompt: str = ""
    prefix: tuple[Word, ...] = ()
    task: Task = Task.TRANSCRIBE
    temperature: float = 0.0
    in_haste: bool = False
    speech_probability: float | None = None
    languages: tuple[str, ...] = ()
    ends_in_speech: bool = False

    @property
    def forced(self) -> tuple[Word, ...]:
        """The words that the hypothesis must begin with; empty unless it is a partial."""
        return self.prefix if self.kind is RequestKind.PARTIAL else ()

    @property
    def end_sample(self) -> int:
        """One past the last sample of the request's audio."""
        return self.start_sample + len(self.samples)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The engine's answer to one request.

    Attributes:
        session_id, utterance_id, revision: of the request.
        words: all words of the utterance so far, in order; those of a partial begin with its prefix.
        language: ISO-639-1, or None if unknown.
        avg_logprob: mean log probability, nats per token, ≤ 0; None if unknown.
        no_speech_probability: 0..1; None if unknown.
        is_timed: whether the times of a partial's words were measured, not interpolated.
    """

    session_id: str
    utterance_id: int
    revision: int
    words: tuple[Word, ...]
    language: str | None = None
    avg_logprob: float | None = None
    no_speech_probability: float | None = None
    is_timed: bool = False

    @classmethod
    def answering(
        cls,
        request: DecodeRequest,
        words: tuple[Word, ...],
        language: str | None = None,
        avg_logprob: float | None = None,
        no_speech_probability: float | None = None,
    ) -> "Hypothesis":
        """Return the hypothesis that answers a request."""
        ids = (request.session_id, request.utterance_id, request.revision)
        return cls(*ids, words, language, avg_logprob, no_speech_probability)


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of one utterance: the committed ones, and those that may still change.

    Attributes:
        utterance_id: the utterance of the session.
        revision: of the hypothesis that it comes from.
        committed: words that are only appended to while the utterance is partial; the final may correct them, once.
        tail: words that may still change; empty when `is_final`.
        is_final: whether all words are committed, and no other transcript of the utterance follows.
    """

    utterance_id: int
    revision: int
    committed: tuple[Word, ...]
    tail: tuple[Word, ...]
    is_final: bool
