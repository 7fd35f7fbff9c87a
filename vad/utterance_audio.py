"""The audio of one stream and the evidence of speech in it, from which the events of its utterances are made. PURE."""

from typing import TypeVar

import numpy as np

from vad.audio import Float32
from vad.audio_history import AudioHistory
from vad.events import EndReason, SpeechEnded, SpeechPaused, SpeechProgress, SpeechResumed, SpeechStarted
from vad.evidence import SpeechEvidence

__all__ = ["OpenEvent", "UtteranceAudio"]

HOP_SAMPLES = 160
"""Grid of 10 ms on which the quietest place is searched."""

QUIET_HOPS = 10
"""Loudness is averaged over 100 ms: as long as a gap between words, longer than the closure of a consonant."""

OpenEvent = TypeVar("OpenEvent", SpeechStarted, SpeechPaused, SpeechProgress, SpeechResumed)
"""An event of an utterance that has not ended."""


class UtteranceAudio:
    """Buffers a stream from the start of its current utterance on, and makes that utterance's events.

    Args:
        first_sample: position of the first window on the time line.
        utterances: number of utterances that have ended before.
    """

    def __init__(self, first_sample: int, utterances: int) -> None:
        self._history = AudioHistory(first_sample)
        self._evidence = SpeechEvidence()
        self._utterance_id = utterances - 1
        self._start_sample = 0

    @property
    def start_sample(self) -> int:
        """First sample of the current utterance."""
        return self._start_sample

    @property
    def end_sample(self) -> int:
        """One past the last sample of the stream."""
        return self._history.end_sample

    def append(self, samples: Float32, probability: float | None = None) -> None:
        """Add audio to the end of the stream.

        Args:
            samples: float32[n] mono 16 kHz, in [-1, 1].
            probability: speech probability, 0..1; None if it was not estimated.
        """
        self._history.append(samples)
        if probability is not None:
            self._evidence.push(self._history.end_sample, probability)

    def forget(self, before_sample: int) -> None:
        """Discard the audio and the evidence before a sample."""
        self._history.forget(before_sample)
        self._evidence.forget(before_sample)

    def start(self, sample: int) -> None:
        """Start the next utterance at a sample."""
        self._utterance_id += 1
        self._start_sample = sample

    def event(self, kind: type[OpenEvent], end_sample: int, voiced_end_sample: int) -> OpenEvent:
        """Return an event of the current utterance, whose audio so far ends at `end_sample`."""
        return kind(
            self._utterance_id,
            self._start_sample,
            self._history.view(self._start_sample, end_sample),
            voiced_end_sample,
            self._history.end_sample,
            speech_probability=self._evidence.peak(),
        )

    def end(self, reason: EndReason, end_sample: int, voiced_end_sample: int) -> SpeechEnded:
        """Return the end event of the current utterance, and discard its audio."""
        ended = SpeechEnded(
            self._utterance_id,
            self._start_sample,
            self._history.view(self._start_sample, end_sample),
            min(voiced_end_sample, end_sample),
            self._history.end_sample,
            reason,
            speech_probability=self._evidence.peak(),
        )
        self.forget(end_sample)
        return ended

    def quietest_sample(self, end_sample: int, search_samples: int) -> int:
        """Return the quietest place of the current utterance within `search_samples` before `end_sample`."""
        first = max(self._start_sample, end_sample - search_samples)
        hops = (end_sample - first) // HOP_SAMPLES
        audio = self._history.view(first, first + hops * HOP_SAMPLES).reshape(hops, HOP_SAMPLES)
        energies = np.convolve(np.einsum("hs,hs->h", audio, audio), np.ones(QUIET_HOPS, np.float32), mode="valid")
        quietest = len(energies) - 1 - int(np.argmin(energies[::-1]))  # the last of several equal ones
        return first + (quietest + QUIET_HOPS // 2) * HOP_SAMPLES
