"""The events of the segmenter. Spans are half-open, in samples at 16 kHz since the session began."""

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
    """The state of one utterance at the time of the event.

    Attributes:
        utterance_id: 0, 1, 2 … within the session.
        start_sample: first sample of the utterance, padding included.
        samples: float32[n], the utterance so far: `[start_sample, start_sample + n)`. Read-only; never changes.
        voiced_end_sample: one past the last sample classified as speech.
        audio_end_sample: one past the last sample the segmenter had received; the time of the decision.
        speech_probability: the highest speech probability sustained for some windows, 0..1, also where the client
            delimits utterances; None where it is unknown.
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
    """An utterance began. Emitted once, first."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechProgress(SpeechEvent):
    """The utterance grew by another progress interval of audio."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechPaused(SpeechEvent):
    """The speaker paused. Emitted once per pause; `samples` ends where it will end if the pause ends the utterance."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechResumed(SpeechEvent):
    """The speaker resumed after a pause. Emitted for each `SpeechPaused` that is not followed by `SpeechEnded`."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechEnded(SpeechEvent):
    """The utterance is complete. Emitted once, last."""

    reason: EndReason
