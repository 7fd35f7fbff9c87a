"""The default detector: the work it saves, and the speech it must not lose."""

import numpy as np
import pytest

from tests.audio import noise, silence, speechlike
from tests.recordings import recording
from vad.audio import Float32, s_to_samples
from vad.detector import create_detector
from vad.events import SpeechEnded
from vad.hybrid import SURE_PROBABILITY, HybridDetector
from vad.segmenter import Segmenter
from vad.settings import SegmenterSettings
from vad.silero import SileroDetector

WINDOW = HybridDetector.window_samples


def windows_of(audio: Float32) -> Float32:
    return audio[: len(audio) // WINDOW * WINDOW].reshape(-1, WINDOW)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the windows that Silero judges."""
    counts: list[int] = []
    judge = SileroDetector.probabilities

    def counting(detector: SileroDetector, windows: Float32) -> Float32:
        counts.append(len(windows))
        return judge(detector, windows)

    monkeypatch.setattr(SileroDetector, "probabilities", counting)
    return counts


def test_silence_is_never_brought_before_silero(asked: list[int]) -> None:
    assert not HybridDetector().probabilities(windows_of(silence(2))).any()
    assert asked == []


def test_an_unsure_answer_is_never_held(asked: list[int]) -> None:
    windows = windows_of(np.concatenate([noise(1, 0.3), speechlike(1)]))
    probabilities = HybridDetector().probabilities(windows)
    held = np.flatnonzero((probabilities[1:] == probabilities[:-1]) & (probabilities[1:] > 0))
    assert np.all(probabilities[held] >= SURE_PROBABILITY)
    assert asked


def test_in_sure_speech_few_windows_are_judged(asked: list[int]) -> None:
    windows = windows_of(recording("en_harvard.flac"))
    HybridDetector().probabilities(windows)
    assert sum(asked) < 0.4 * len(windows)


def test_what_silero_calls_speech_is_in_an_utterance() -> None:
    windows = windows_of(recording("en_harvard.flac"))
    segmenter = Segmenter(SegmenterSettings(), WINDOW)
    judged = zip(windows, HybridDetector().probabilities(windows).tolist(), strict=True)
    events = [event for window, probability in judged for event in segmenter.push(window, probability)]
    kept = np.zeros(windows.size, bool)
    for event in [*events, *segmenter.flush(np.zeros(0, np.float32))]:
        if isinstance(event, SpeechEnded):
            kept[event.start_sample : event.end_sample] = True
    speech = SileroDetector().probabilities(windows) >= 0.5
    assert np.mean(kept.reshape(windows.shape)[speech]) > 0.99


def test_words_after_long_pauses_are_detected_as_by_silero() -> None:
    audio = recording("long_digits_15min.flac")[: s_to_samples(240)]
    windows = audio[: len(audio) // 512 * 512].reshape(-1, 512)
    speech = {name: create_detector(name).probabilities(windows) >= 0.5 for name in ("silero", "hybrid")}
    both = np.count_nonzero(speech["silero"] & speech["hybrid"])
    assert both >= 0.95 * np.count_nonzero(speech["silero"])
