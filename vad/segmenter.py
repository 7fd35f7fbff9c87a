"""Cuts a stream into utterances by the speech probability of its windows. PURE."""

from enum import Enum, auto
from typing import TypeVar

import numpy as np

from vad.audio import Float32, ms_to_samples
from vad.audio_history import AudioHistory
from vad.events import (
    EndReason,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechProgress,
    SpeechResumed,
    SpeechStarted,
)
from vad.evidence import SpeechEvidence
from vad.settings import SegmenterSettings
from vad.stream_origin import BEGINNING, StreamOrigin

__all__ = ["Segmenter", "whole_windows"]

HOP_SAMPLES = 160
"""Grid of 10 ms on which the quietest place is looked for."""

MOST_DOUBT_MS = 200
"""A far speaker may be doubtful throughout, and pauses between words too."""

QUIET_HOPS = 10
"""Its loudness is that of 100 ms: a gap between words is as long, the closure of a consonant is shorter."""


def whole_windows(origin: StreamOrigin, window_samples: int) -> int:
    """Return how many windows lie before the one that holds the settled sample."""
    return (origin.settled_sample - origin.first_sample) // window_samples


_Open = TypeVar("_Open", SpeechStarted, SpeechPaused, SpeechProgress, SpeechResumed)


class _State(Enum):
    IDLE = auto()
    SPEAKING = auto()
    HUSHED = auto()
    PAUSED = auto()


class Segmenter:
    """A state machine over the windows of one stream. `p` is a window's probability.

    | state           | condition                                 | next     | events                                 |
    |-----------------|-------------------------------------------|----------|----------------------------------------|
    | idle            | p ≥ onset_threshold for onset_ms on end   | speaking | SpeechStarted                          |
    | speaking        | p ≥ offset_threshold                      | speaking | SpeechProgress, each interval          |
    | speaking        | … and no room for it and the padding      | speaking | SpeechEnded(max_length), SpeechStarted |
    | speaking        | p < offset_threshold                      | hushed   | SpeechProgress, each interval          |
    | hushed          | silent for pause_ms                       | paused   | SpeechPaused                           |
    | hushed          | p ≥ onset_threshold                       | speaking | as speaking with p ≥ offset_threshold  |
    | paused          | p ≥ onset_threshold                       | speaking | SpeechResumed, then as above           |
    | … and long      | p ≥ onset_threshold                       | speaking | SpeechEnded(max_length), SpeechStarted |
    | hushed or paused| the turn is over                          | idle     | SpeechEnded(silence)                   |
    | all but idle    | flush                                     | idle     | SpeechEnded(flush)                     |

    What is decoded and where a turn ends are two decisions. The former is made by the thresholds above. The turn is
    over when no window has reached endpoint_threshold for silence_ms; doubtful windows after the last one that did
    shorten the wait by `MOST_DOUBT_MS` at most, and the silence is never shorter than what is kept of it.

    An utterance reaches from `pad_before_ms` before its first speech, but not back into the one before it, to
    `pause_ms` after its last speech, or to what has been heard. So a pause carries the very samples of the end that may
    follow it. A long utterance, of `long_utterance_s`, is split where the speaker goes on after a pause. None is longer
    than `max_utterance_s`; one that would be is split at a quiet place a little back. The next one begins at the sample
    where it ended.

    Args:
        settings: of the segmenter.
        window_samples: length of a window, as the detector has it.
        origin: where the stream is taken up; the first window is the one that holds its settled sample.
    """

    def __init__(self, settings: SegmenterSettings, window_samples: int, origin: StreamOrigin = BEGINNING) -> None:
        self._settings = settings
        self._window_samples = window_samples
        self._progress_interval_samples = settings.progress_interval_samples
        self._tape = AudioHistory(origin.first_sample + whole_windows(origin, window_samples) * window_samples)
        self._evidence = SpeechEvidence()
        self._state = _State.IDLE
        self._onset_run_samples = 0
        self._utterance_id = origin.utterances - 1
        self._start = 0
        self._voiced_end = origin.settled_sample
        self._sure_end = origin.settled_sample
        """One past the last window that kept the turn open."""
        self._told_end = 0
        """Where the utterance ended in the last event that carried it."""
        self._previous_end = origin.settled_sample
        self._begins_at_once = origin.is_split

    def update(self, settings: SegmenterSettings) -> None:
        """Go on with other settings, from the next window on."""
        self._settings = settings
        self._progress_interval_samples = settings.progress_interval_samples

    @property
    def progress_interval_samples(self) -> int:
        """New sound between two progress events, > 0; load may stretch it at any time."""
        return self._progress_interval_samples

    @progress_interval_samples.setter
    def progress_interval_samples(self, samples: int) -> None:
        if samples <= 0:
            raise ValueError(f"progress interval of {samples} samples: must be above 0")
        self._progress_interval_samples = samples

    def push(self, window: Float32, probability: float) -> list[SpeechEvent]:
        """Advance by one window and return the events it causes, oldest first.

        Args:
            window: float32[window_samples], mono 16 kHz, in [-1, 1].
            probability: speech probability of that window, 0..1.

        Raises:
            ValueError: the window has the wrong shape.
        """
        if window.shape != (self._window_samples,):
            raise ValueError(f"window of shape {window.shape}: allowed is ({self._window_samples},)")
        self._tape.append(window)
        self._evidence.push(self._tape.end_sample, probability)
        probability = 1.0 if self._settings.manual else probability
        if self._begins_at_once:
            self._begins_at_once = False
            return [self._open(self._previous_end), *self._go_on(probability)]
        if self._state is _State.IDLE:
            return self._await_onset(probability)
        return self._go_on(probability)

    def flush(self, rest: Float32) -> list[SpeechEvent]:
        """End the utterance that is open, if any. The stream may go on with a new window.

        Args:
            rest: float32[n], sound since the last window, n < window_samples; it counts as what that window was.

        Raises:
            ValueError: that is a whole window or more.
        """
        if rest.ndim != 1 or len(rest) >= self._window_samples:
            raise ValueError(f"rest of shape {rest.shape}: allowed is less than a window of {self._window_samples}")
        self._tape.append(rest)
        self._onset_run_samples = 0
        if self._state is _State.IDLE:
            return []
        events: list[SpeechEvent] = []
        if self._state is _State.SPEAKING:
            self._voiced_end = self._tape.end_sample
            events += self._split_overlong(padding_samples=0)
        return [*events, self._end(EndReason.FLUSH, self._reach())]

    def _go_on(self, probability: float) -> list[SpeechEvent]:
        if probability >= self._settings.endpoint_threshold:
            self._sure_end = self._tape.end_sample
        if probability >= self._threshold():
            return self._continue_speech()
        return self._continue_silence()

    def _threshold(self) -> float:
        speaking = self._state is _State.SPEAKING
        return self._settings.offset_threshold if speaking else self._settings.onset_threshold

    def _await_onset(self, probability: float) -> list[SpeechEvent]:
        heard = self._tape.end_sample
        is_speech = probability >= self._settings.onset_threshold
        self._onset_run_samples = self._onset_run_samples + self._window_samples if is_speech else 0
        start = max(self._previous_end, heard - self._onset_run_samples - self._settings.pad_before_samples)
        self._tape.forget(start)
        self._evidence.forget(start)
        if not is_speech or self._onset_run_samples < self._settings.onset_samples:
            return []
        self._onset_run_samples = 0
        self._voiced_end = self._sure_end = heard
        return [self._open(start), *self._split_overlong(self._settings.pad_after_samples)]

    def _continue_speech(self) -> list[SpeechEvent]:
        resumed = self._resume() if self._state is _State.PAUSED else []
        self._state = _State.SPEAKING
        self._voiced_end = self._tape.end_sample
        return [*resumed, *(self._split_overlong(self._settings.pad_after_samples) or self._progress())]

    def _resume(self) -> list[SpeechEvent]:
        """Go on after a pause, with the utterance or, where that is long, with the next one."""
        end = self._reach()
        if end - self._start < self._settings.long_utterance_samples:
            return [self._tell(SpeechResumed)]
        ended = self._end(EndReason.MAX_LENGTH, end)
        self._voiced_end = self._tape.end_sample
        return [ended, self._open(end)]

    def _continue_silence(self) -> list[SpeechEvent]:
        if self._state is _State.SPEAKING:
            self._state = _State.HUSHED
        silent_samples = self._tape.end_sample - self._voiced_end
        doubtful_samples = min(self._voiced_end - self._sure_end, ms_to_samples(MOST_DOUBT_MS))
        wanted_samples = max(self._settings.silence_samples - doubtful_samples, self._settings.pad_after_samples)
        if silent_samples >= wanted_samples:
            return [self._end(EndReason.SILENCE, self._reach())]
        if self._state is _State.HUSHED and silent_samples >= self._settings.pause_samples:
            self._state = _State.PAUSED
            return [self._tell(SpeechPaused)]
        return self._progress()

    def _progress(self) -> list[SpeechEvent]:
        if self._reach() - self._told_end < self._progress_interval_samples:
            return []
        return [self._tell(SpeechProgress)]

    def _split_overlong(self, padding_samples: int) -> list[SpeechEvent]:
        events: list[SpeechEvent] = []
        longest = self._settings.max_utterance_samples
        # The padding counts, so that a silence, whenever it comes, never makes the utterance longer than allowed.
        while self._voiced_end + padding_samples - self._start > longest:
            split = self._quietest_place(min(self._voiced_end, self._start + longest))
            events += [self._end(EndReason.MAX_LENGTH, split), self._open(split)]
        return events

    def _quietest_place(self, end_sample: int) -> int:
        first = max(self._start, end_sample - self._settings.split_search_samples)
        hops = (end_sample - first) // HOP_SAMPLES
        sound = self._tape.view(first, first + hops * HOP_SAMPLES).reshape(hops, HOP_SAMPLES)
        energies = np.convolve(np.einsum("hs,hs->h", sound, sound), np.ones(QUIET_HOPS, np.float32), mode="valid")
        quietest = len(energies) - 1 - int(np.argmin(energies[::-1]))  # the last of equals
        return first + (quietest + QUIET_HOPS // 2) * HOP_SAMPLES

    def _reach(self) -> int:
        return min(self._tape.end_sample, self._voiced_end + self._settings.pad_after_samples)

    def _open(self, start: int) -> SpeechStarted:
        self._state = _State.SPEAKING
        self._utterance_id += 1
        self._start = start
        return self._tell(SpeechStarted)

    def _end(self, reason: EndReason, end: int) -> SpeechEnded:
        voiced_end = min(self._voiced_end, end)
        samples = self._tape.view(self._start, end)
        self._state = _State.IDLE
        self._previous_end = end
        self._tape.forget(end)
        speech_probability = self._evidence.peak()
        self._evidence.forget(end)
        return SpeechEnded(
            self._utterance_id,
            self._start,
            samples,
            voiced_end,
            self._tape.end_sample,
            reason,
            speech_probability=speech_probability,
        )

    def _tell(self, event: type[_Open]) -> _Open:
        self._told_end = self._reach()
        samples = self._tape.view(self._start, self._told_end)
        return event(
            self._utterance_id,
            self._start,
            samples,
            self._voiced_end,
            self._tape.end_sample,
            speech_probability=self._evidence.peak(),
        )
