"""The audio and the evidence of a stream, of which the events of its utterances are made."""

import numpy as np
import pytest

from vad.audio import SAMPLE_RATE_HZ
from vad.events import EndReason, SpeechPaused, SpeechStarted
from vad.utterance_audio import UtteranceAudio

WINDOW = 512


def loud(samples: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.ones(samples, np.float32)


def test_events_have_the_audio_from_the_start_of_their_utterance() -> None:
    audio = UtteranceAudio(1_000, 3)
    audio.append(np.arange(WINDOW, dtype=np.float32))
    audio.start(1_100)

    started = audio.event(SpeechStarted, 1_200, 1_150)

    assert (started.utterance_id, started.start_sample, started.end_sample) == (3, 1_100, 1_200)
    assert (started.voiced_end_sample, started.audio_end_sample) == (1_150, 1_000 + WINDOW)
    np.testing.assert_array_equal(started.samples, np.arange(100, 200))


def test_the_end_discards_the_utterance_and_its_evidence() -> None:
    audio = UtteranceAudio(0, 0)
    for probability in (0.9, 0.8, 0.7):
        audio.append(loud(WINDOW), probability)
    audio.start(0)

    ended = audio.end(EndReason.SILENCE, 3 * WINDOW, 4 * WINDOW)
    audio.append(loud(WINDOW))
    audio.start(3 * WINDOW)

    assert ended.reason is EndReason.SILENCE
    assert ended.speech_probability == pytest.approx(0.9)
    assert ended.voiced_end_sample == 3 * WINDOW
    following = audio.event(SpeechPaused, 4 * WINDOW, 4 * WINDOW)
    assert (following.utterance_id, following.speech_probability) == (1, None)
    with pytest.raises(ValueError, match="out of range"):
        audio.event(SpeechPaused, 5 * WINDOW, 5 * WINDOW)


def test_the_quietest_place_is_in_the_middle_of_the_last_gap() -> None:
    audio = UtteranceAudio(0, 0)
    for first in (True, False):
        audio.append(loud(SAMPLE_RATE_HZ))
        audio.append(np.zeros(1_600, np.float32))
        if first:
            audio.append(loud(800))
    audio.append(loud(SAMPLE_RATE_HZ))
    audio.start(0)
    second_gap = 2 * SAMPLE_RATE_HZ + 1_600 + 800

    assert audio.quietest_sample(audio.end_sample, 3 * SAMPLE_RATE_HZ) == pytest.approx(second_gap + 800, abs=160)


def test_the_quietest_place_is_never_before_the_utterance() -> None:
    audio = UtteranceAudio(0, 0)
    audio.append(np.concatenate([np.zeros(1_600, np.float32), loud(SAMPLE_RATE_HZ)]))
    audio.start(1_600)

    assert audio.quietest_sample(audio.end_sample, 2 * SAMPLE_RATE_HZ) >= 1_600
