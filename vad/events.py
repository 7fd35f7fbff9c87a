"""What the segmenter says about speech. Spans are half-open, in samples at 16 kHz since the session began."""

from dataclasses import dataclass, field
from enum import StrEnum

from vad.audio import Float32

__all__ = [
    "EndReason",
    "SpeechEnded",
    "SpeechEvent",
    "SpeechPaused",
    "SpeechProgress",
    "SpeechResumed",
    "SpeechStarted",
]


class EndReason(StrEnum):
    """Why an utterance ended."""

    SILENCE = "silence"
    MAX_LENGTH = "max_length"
    FLUSH = "flush"


@dataclass(frozen=True, slots=True, eq=False)
class SpeechEvent:
    """One utterance as far as it has been heard.

    Attributes:
        utterance_id: 0, 1, 2 … within the session.
        start_sample: first sample of the utterance, padding included.
        samples: float32[n], the utterance so far: `[start_sample, start_sample + n)`. Read-only; never changes.
        voiced_end_sample: one past the last sample judged to be speech.
        audio_end_sample: one past the last sample the segmenter had seen when it said this; the time of the decision.
        speech_probability: the highest probability of speech that lasted for some windows, 0..1, also where the client
            decides what an utterance is; None where it is not known.
    """

    utterance_id: int
    start_sample: int
    samples: Float32
    voiced_end_sample: int
    audio_end_sample: int
    speech_probability: float | None = field(default=None, kw_only=True)

    @property
    def end_sample(self) -> int:
        """One past the last sample of the utterance so far."""
        return self.start_sample + len(self.samples)


@dataclass(frozen=True, slots=True, eq=False)
class SpeechStarted(SpeechEvent):
    """An utterance began; said once, first."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechProgress(SpeechEvent):
    """The utterance grew by another progress interval of sound."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechPaused(SpeechEvent):
    """The speaker has paused: said once a pause. `samples` ends where it will end if the pause ends the utterance."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechResumed(SpeechEvent):
    """The pause was none: the speaker goes on. Said once for each `SpeechPaused` that no `SpeechEnded` follows."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechEnded(SpeechEvent):
    """The utterance is complete; said once, last."""

    reason: EndReason
