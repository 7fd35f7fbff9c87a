"""Audio of any level, brought to the one that a detector is sure in."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audio import noise, speechlike
from vad.audio import Float32
from vad.level import LEAST_GAIN, MEMORY_WINDOWS, MOST_GAIN, TARGET_RMS, LevelNormaliser

WINDOW = 512


def windows(samples: Float32) -> Float32:
    count = len(samples) // WINDOW
    return samples[: count * WINDOW].reshape(count, WINDOW)


def loudest(audio: Float32) -> float:
    return float(np.sqrt((audio.astype(np.float64) ** 2).mean(axis=1)).max())


@pytest.mark.parametrize("level_db", [-30, -15, 0])
def test_speech_of_any_level_comes_out_at_one(level_db: float) -> None:
    audio = windows(speechlike(2.0)) * np.float32(10 ** (level_db / 20))

    normalised = LevelNormaliser().normalise(audio)

    assert loudest(normalised) == pytest.approx(TARGET_RMS, rel=0.01)


def test_digital_silence_stays_silent() -> None:
    assert not LevelNormaliser().normalise(np.zeros((5, WINDOW), np.float32)).any()


def test_a_pause_of_a_few_seconds_does_not_lift_the_noise_in_it() -> None:
    normaliser = LevelNormaliser()
    normaliser.normalise(windows(speechlike(1.0)))
    quiet = windows(noise(2.0) * np.float32(1e-3))

    assert loudest(normaliser.normalise(quiet)) < TARGET_RMS / 10


def test_loud_audio_is_forgotten_after_the_memory() -> None:
    normaliser = LevelNormaliser()
    normaliser.normalise(windows(speechlike(1.0)))
    quiet = np.full((MEMORY_WINDOWS + 1, WINDOW), 1e-3, np.float32)

    assert loudest(normaliser.normalise(quiet)[-1:]) == pytest.approx(1e-3 * MOST_GAIN, rel=1e-3)


def test_gains_stay_within_their_limits() -> None:
    audio = np.concatenate([np.full((1, WINDOW), 1e-7, np.float32), np.full((1, WINDOW), 1.0, np.float32)])

    faint, full = LevelNormaliser().normalise(audio)

    assert faint[0] == pytest.approx(1e-7 * MOST_GAIN)
    assert full[0] == pytest.approx(max(TARGET_RMS, LEAST_GAIN))


@given(st.integers(0, 60), st.integers(1, 7))
def test_what_comes_out_does_not_depend_on_the_chunking(split: int, step: int) -> None:
    audio = windows(speechlike(1.0) * np.linspace(0.001, 1, 16_000, dtype=np.float32))
    whole = LevelNormaliser().normalise(audio)
    normaliser = LevelNormaliser()
    edges = [0, min(split, len(audio)), *range(min(split, len(audio)), len(audio), step), len(audio)]

    parts = [normaliser.normalise(audio[first:end]) for first, end in pairwise(edges)]

    assert np.array_equal(np.concatenate(parts), whole)
