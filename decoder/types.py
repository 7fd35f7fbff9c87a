"""What flows through the decoder, and its branch of the error tree. PURE.

LivecueError
└── EngineError               a request got no words
    ├── EngineFailed          the engine raised, or returned something that is no answer
    ├── EngineTimeout         the engine did not answer in time
    ├── EngineBusy            no room for a partial now; a later one may find some
    ├── RequestReplaced       a newer request of the same utterance took this one's place
    ├── RequestCancelled      the session ended before its turn came
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
    """A request got no words."""

    code = "engine_error"


class EngineFailed(EngineError):
    """The engine raised, or returned something that is no answer."""

    code = "engine_failed"


class EngineTimeout(EngineError):
    """The engine did not answer in time."""

    code = "engine_timeout"


class EngineBusy(EngineError):
    """The engine has no room for this partial now; a later one may find some."""

    code = "engine_busy"


class RequestReplaced(EngineError):
    """A newer request of the same utterance took this one's place in the queue."""

    code = "request_replaced"


class RequestCancelled(EngineError):
    """The session ended before the request's turn came."""

    code = "request_cancelled"


class ModelError(EngineError):
    """The model cannot be loaded."""

    code = "model_error"


class RequestKind(StrEnum):
    """What a request's words are for."""

    PARTIAL = "partial"
    EAGER = "eager"
    FINAL = "final"
    FILE = "file"

    @property
    def ends_utterance(self) -> bool:
        """Whether it is certain that nothing more comes of the utterance."""
        return self in (RequestKind.FINAL, RequestKind.FILE)


class Task(StrEnum):
    """What is to be written: what was said, or what it means in English."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


@dataclass(frozen=True, slots=True)
class Word:
    """One word where it was spoken.

    Attributes:
        text: the word as written, with its leading space where the language puts one.
        start_sample: first sample, at 16 kHz since the session began.
        end_sample: one past the last sample, ≥ `start_sample`.
        probability: 0..1, or None where the engine does not say. Then its times are guessed too, from where other words
            are: that is how Whisper's partials are made.
    """

    text: str
    start_sample: int
    end_sample: int
    probability: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DecodeRequest:
    """The sound of one utterance so far, to be turned into words.

    Attributes:
        session_id: who asks.
        utterance_id: which utterance of that session.
        revision: 1, 2 … within the utterance; a later request has a greater one.
        kind: partial, eager (a final made before it is sure that the utterance ended), final, or file (the final of an
            utterance nobody waits for, decoded after everything live).
        samples: float32[n] mono 16 kHz, the whole utterance so far; a later request of the utterance extends it.
        start_sample: where `samples` begins on the session's time line.
        deadline_s: when the answer is wanted, on the scheduler's clock.
        language: ISO-639-1, or None: the engine detects it.
        languages: ISO-639-1 codes among which it is detected; empty: all that the engine writes. An engine that cannot
            choose among them may leave them out of account.
        prompt: text said before, as context; may be empty.
        prefix: words already committed. A partial goes on from them; a final is what the engine hears in all of the
            audio, and may keep those of them that are as good.
        task: what to write.
        in_haste: whether the engine is far behind, so that an answer a little worse for half the work is welcome.
        ends_in_speech: whether somebody speaks up to the end of the audio, so that its last word may be cut off.
        temperature: 0..1; above 0 words are drawn by chance, the less likely ones more often the higher it is.
        speech_probability: 0..1, how sure the detector is that somebody speaks in it; None where none was asked.
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
        """The words that the hypothesis must begin with."""
        return self.prefix if self.kind is RequestKind.PARTIAL else ()

    @property
    def end_sample(self) -> int:
        """One past the last sample of the request's audio."""
        return self.start_sample + len(self.samples)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the engine heard in one request.

    Attributes:
        session_id, utterance_id, revision: of the request.
        words: all words of the utterance so far, in order; those of a partial begin with its prefix.
        language: ISO-639-1, or None where the engine does not know.
        avg_logprob: mean log probability, nats per token, ≤ 0; None where the engine does not say.
        no_speech_probability: 0..1; None where the engine does not say.
    """

    session_id: str
    utterance_id: int
    revision: int
    words: tuple[Word, ...]
    language: str | None = None
    avg_logprob: float | None = None
    no_speech_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of one utterance: those that stay while it is partial, and those that may still change.

    Attributes:
        utterance_id: which utterance of the session.
        revision: of the hypothesis it comes from.
        committed: words that only grow while the utterance is partial; the final may correct them, once.
        tail: words that may still change; empty when `is_final`.
        is_final: all words are committed, and nothing will follow.
    """

    utterance_id: int
    revision: int
    committed: tuple[Word, ...]
    tail: tuple[Word, ...]
    is_final: bool
