"""Divides a stream into utterances by the speech probability of its windows. PURE."""

from enum import Enum, auto

from vad.audio import Float32, ms_to_samples
from vad.events import (
    EndReason,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechProgress,
    SpeechResumed,
    SpeechStarted,
)
from vad.settings import SegmenterSettings
from vad.stream_origin import BEGINNING, StreamOrigin
from vad.utterance_audio import OpenEvent, UtteranceAudio

__all__ = ["Segmenter", "whole_windows"]

MAX_DOUBT_MS = 200
"""A far speaker may be doubtful throughout, including in pauses between words."""


def whole_windows(origin: StreamOrigin, window_samples: int) -> int:
    """Return the number of windows before the one that contains the settled sample."""
    return (origin.settled_sample - origin.first_sample) // window_samples


class _State(Enum):
    IDLE = auto()
    SPEAKING = auto()
    SILENT = auto()
    PAUSED = auto()


class Segmenter:
    """A state machine over the windows of one stream. `p` is a window's probability.

    | state           | condition                                 | next     | events                                 |
    |-----------------|-------------------------------------------|----------|----------------------------------------|
    | idle            | p ≥ onset_threshold for onset_ms          | speaking | SpeechStarted                          |
    | speaking        | p ≥ offset_threshold                      | speaking | SpeechProgress, each interval          |
    | speaking        | … and it would be too long with padding   | speaking | SpeechEnded(max_length), SpeechStarted |
    | speaking        | p < offset_threshold                      | silent   | SpeechProgress, each interval          |
    | silent          | no speech for pause_ms                    | paused   | SpeechPaused                           |
    | silent          | p ≥ onset_threshold                       | speaking | as speaking with p ≥ offset_threshold  |
    | paused          | p ≥ onset_threshold                       | speaking | SpeechResumed, then as above           |
    | … and long      | p ≥ onset_threshold                       | speaking | SpeechEnded(max_length), SpeechStarted |
    | silent or paused| the turn is over                          | idle     | SpeechEnded(silence)                   |
    | all but idle    | flush                                     | idle     | SpeechEnded(flush)                     |

    What is decoded and where a turn ends are two decisions. The thresholds above make the first. The turn is over when
    no window has reached endpoint_threshold for silence_ms; doubtful windows after the last one that did shorten the
    wait by at most `MAX_DOUBT_MS`, and the silence is never shorter than the padding kept of it.

    An utterance reaches from `pad_before_ms` before its first speech, but not into the previous utterance, to
    `pause_ms` after its last speech, or to the end of the audio received. So a pause carries exactly the samples of the
    end that may follow it. A long utterance, of `long_utterance_s`, is split where the speaker resumes after a pause.
    None is longer than `max_utterance_s`; one that would be is split at a quiet place shortly before. The next one
    begins at the sample where it ended.

    Args:
        settings: of the segmenter.
        window_samples: length of the detector's windows.
        origin: where the stream resumes; the first window is the one that contains its settled sample.
    """

    def __init__(self, settings: SegmenterSettings, window_samples: int, origin: StreamOrigin = BEGINNING) -> None:
        self._settings = settings
        self._window_samples = window_samples
        self._progress_interval_samples = settings.progress_interval_samples
        first_sample = origin.first_sample + whole_windows(origin, window_samples) * window_samples
        self._audio = UtteranceAudio(first_sample, origin.utterances)
        self._state = _State.IDLE
        self._onset_run_samples = 0
        self._voiced_end = origin.settled_sample
        self._endpoint_sample = origin.settled_sample
        """One past the last window that kept the turn open."""
        self._emitted_end = 0
        """End of the utterance in the last event."""
        self._previous_end = origin.settled_sample
        self._starts_immediately = origin.is_split

    def update(self, settings: SegmenterSettings) -> None:
        """Apply other settings from the next window on."""
        self._settings = settings
        self._progress_interval_samples = settings.progress_interval_samples

    @property
    def pad_after_samples(self) -> int:
        """Audio that is kept after the last speech."""
        return self._settings.pad_after_samples

    @property
    def progress_interval_samples(self) -> int:
        """New audio between two progress events, > 0; may be stretched under load at any time."""
        return self._progress_interval_samples

    @progress_interval_samples.setter
    def progress_interval_samples(self, samples: int) -> None:
        if samples <= 0:
            raise ValueError(f"progress interval of {samples} samples: expected more than 0")
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
            raise ValueError(f"window has shape {window.shape}: expected ({self._window_samples},)")
        self._audio.append(window, probability)
        probability = 1.0 if self._settings.manual else probability
        if self._starts_immediately:
            self._starts_immediately = False
            return [self._start(self._previous_end), *self._continue(probability)]
        if self._state is _State.IDLE:
            return self._await_onset(probability)
        return self._continue(probability)

    def flush(self, rest: Float32) -> list[SpeechEvent]:
        """End the open utterance, if any. The stream may continue with a new window.

        Args:
            rest: float32[n], audio since the last window, n < window_samples; it counts as speech or silence like that
                window.

        Raises:
            ValueError: `rest` is a whole window or more.
        """
        if rest.ndim != 1 or len(rest) >= self._window_samples:
            raise ValueError(f"rest has shape {rest.shape}: expected fewer than {self._window_samples} samples")
        self._audio.append(rest)
        self._onset_run_samples = 0
        if self._state is _State.IDLE:
            return []
        events: list[SpeechEvent] = []
        if self._state is _State.SPEAKING:
            self._voiced_end = self._audio.end_sample
            events += self._split_overlong(padding_samples=0)
        return [*events, self._end(EndReason.FLUSH, self._utterance_end())]

    def _continue(self, probability: float) -> list[SpeechEvent]:
        if probability >= self._settings.endpoint_threshold:
            self._endpoint_sample = self._audio.end_sample
        if probability >= self._threshold():
            return self._continue_speech()
        return self._continue_silence()

    def _threshold(self) -> float:
        speaking = self._state is _State.SPEAKING
        return self._settings.offset_threshold if speaking else self._settings.onset_threshold

    def _await_onset(self, probability: float) -> list[SpeechEvent]:
        end = self._audio.end_sample
        is_speech = probability >= self._settings.onset_threshold
        self._onset_run_samples = self._onset_run_samples + self._window_samples if is_speech else 0
        start = max(self._previous_end, end - self._onset_run_samples - self._settings.pad_before_samples)
        self._audio.forget(start)
        if not is_speech or self._onset_run_samples < self._settings.onset_samples:
            return []
        self._onset_run_samples = 0
        self._voiced_end = self._endpoint_sample = end
        return [self._start(start), *self._split_overlong(self._settings.pad_after_samples)]

    def _continue_speech(self) -> list[SpeechEvent]:
        resumed = self._resume() if self._state is _State.PAUSED else []
        self._state = _State.SPEAKING
        self._voiced_end = self._audio.end_sample
        return [*resumed, *(self._split_overlong(self._settings.pad_after_samples) or self._progress())]

    def _resume(self) -> list[SpeechEvent]:
        """Resume after a pause: continue the utterance or, where it is long, start the next one."""
        end = self._utterance_end()
        if end - self._audio.start_sample < self._settings.long_utterance_samples:
            return [self._event(SpeechResumed)]
        ended = self._end(EndReason.MAX_LENGTH, end)
        self._voiced_end = self._audio.end_sample
        return [ended, self._start(end)]

    def _continue_silence(self) -> list[SpeechEvent]:
        if self._state is _State.SPEAKING:
            self._state = _State.SILENT
        silent_samples = self._audio.end_sample - self._voiced_end
        doubtful_samples = min(self._voiced_end - self._endpoint_sample, ms_to_samples(MAX_DOUBT_MS))
        needed_samples = max(self._settings.silence_samples - doubtful_samples, self._settings.pad_after_samples)
        if silent_samples >= needed_samples:
            return [self._end(EndReason.SILENCE, self._utterance_end())]
        if self._state is _State.SILENT and silent_samples >= self._settings.pause_samples:
            self._state = _State.PAUSED
            return [self._event(SpeechPaused)]
        return self._progress()

    def _progress(self) -> list[SpeechEvent]:
        if self._utterance_end() - self._emitted_end < self._progress_interval_samples:
            return []
        return [self._event(SpeechProgress)]

    def _split_overlong(self, padding_samples: int) -> list[SpeechEvent]:
        events: list[SpeechEvent] = []
        max_samples = self._settings.max_utterance_samples
        # The padding counts, so that a silence, whenever it comes, never makes the utterance longer than allowed.
        while self._voiced_end + padding_samples - self._audio.start_sample > max_samples:
            latest = min(self._voiced_end, self._audio.start_sample + max_samples)
            split = self._audio.quietest_sample(latest, self._settings.split_search_samples)
            events += [self._end(EndReason.MAX_LENGTH, split), self._start(split)]
        return events

    def _utterance_end(self) -> int:
        return min(self._audio.end_sample, self._voiced_end + self._settings.pad_after_samples)

    def _start(self, start: int) -> SpeechStarted:
        self._state = _State.SPEAKING
        self._audio.start(start)
        return self._event(SpeechStarted)

    def _end(self, reason: EndReason, end: int) -> SpeechEnded:
        self._state = _State.IDLE
        self._previous_end = end
        return self._audio.end(reason, end, self._voiced_end)

    def _event(self, kind: type[OpenEvent]) -> OpenEvent:
        self._emitted_end = self._utterance_end()
        return self._audio.event(kind, self._emitted_end, self._voiced_end)
