"""Incremental frames equal those of the whole window."""

from itertools import pairwise

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given, settings
from hypothesis import strategies as st

from decoder.features import IncrementalLogMel
from tests.audio import noise, silence, speechlike
from tests.recordings import recording
from vad.audio import SAMPLE_RATE_HZ, Float32

FULL_FRAMES = 3_000
EXTRACTORS = {mels: FeatureExtractor(feature_size=mels) for mels in (80, 128)}

SPOKEN = np.concatenate([silence(0.3), speechlike(2.0), noise(0.5, 0.01), silence(0.4), speechlike(1.0)])


def log_mel(audio: Float32, frames: int = FULL_FRAMES, mels: int = 80) -> Float32:
    """Return the log-mel spectrogram of audio that arrives in one piece."""
    made = IncrementalLogMel(EXTRACTORS[mels].mel_filters)
    made.extend(audio)
    return made.window(frames)


def extracted(audio: Float32, frames: int = FULL_FRAMES, mels: int = 80) -> Float32:
    """Return faster-whisper's spectrogram of the audio padded with silence."""
    padded: Float32 = EXTRACTORS[mels](np.pad(audio, (0, 31 * SAMPLE_RATE_HZ)), padding=0)[:, :frames]
    return padded


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize(
    "audio",
    [
        speechlike(2.0),
        speechlike(3.0)[:-77],
        SPOKEN,
        silence(1.0),
        speechlike(30.0),
        np.ones(1, np.float32),
        noise(0.01),
        noise(0.02)[:201],
        np.zeros(0, np.float32),
    ],
)
def test_window_equals_that_of_padded_audio(audio: Float32, mels: int) -> None:
    np.testing.assert_allclose(log_mel(audio, mels=mels), extracted(audio, mels=mels), atol=1e-5)


def test_window_of_a_recording_equals_that_of_padded_audio() -> None:
    audio = recording("digits/george_0.flac")

    np.testing.assert_allclose(log_mel(audio), extracted(audio), atol=1e-5)


def test_short_window_is_the_start_of_the_full_one() -> None:
    assert np.array_equal(log_mel(SPOKEN, 500), log_mel(SPOKEN)[:, :500])
    assert np.array_equal(log_mel(SPOKEN, 100), log_mel(SPOKEN)[:, :100])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, len(SPOKEN)), max_size=12), st.sampled_from([80, 128]))
def test_any_growth_gives_bit_identical_frames(cuts: list[int], mels: int) -> None:
    growing = IncrementalLogMel(EXTRACTORS[mels].mel_filters)

    for cut in sorted(cuts):
        growing.extend(SPOKEN[:cut])
        assert np.array_equal(growing.window(600), log_mel(SPOKEN[:cut], 600, mels))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40_000)), max_size=6))
def test_audio_that_does_not_extend_the_previous_one_is_recomputed(steps: list[tuple[bool, int]]) -> None:
    audio_of = {True: SPOKEN, False: noise(3.0)}
    growing = IncrementalLogMel(EXTRACTORS[80].mel_filters)

    for speaks, cut in steps:
        growing.extend(audio_of[speaks][:cut])
        assert np.array_equal(growing.window(600), log_mel(audio_of[speaks][:cut], 600))


def test_audio_may_be_overwritten_by_the_caller() -> None:
    tape = SPOKEN.copy()
    growing = IncrementalLogMel(EXTRACTORS[80].mel_filters)
    growing.extend(tape[:20_000])
    tape[:] = 0.0

    growing.extend(SPOKEN)

    assert np.array_equal(growing.window(600), log_mel(SPOKEN, 600))


def test_growth_by_a_frame_changes_no_earlier_frame() -> None:
    windows = [IncrementalLogMel(EXTRACTORS[80].mel_filters) for _ in range(2)]
    for made, end in zip(windows, (32_000, 32_160), strict=True):
        made.extend(SPOKEN[:end])

    for before, after in pairwise(made.window(190) for made in windows):
        assert np.array_equal(before, after)
