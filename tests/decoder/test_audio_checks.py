"""What an engine refuses to decode."""

import numpy as np
import pytest

from decoder.audio_checks import LONGEST_S, refused_audio
from vad.audio import SAMPLE_RATE_HZ, Float32


@pytest.mark.parametrize("samples", [0, 1, LONGEST_S * SAMPLE_RATE_HZ])
def test_finite_mono_audio_of_up_to_30_s_can_be_decoded(samples: int) -> None:
    assert refused_audio(np.ones(samples, np.float32)) is None


@pytest.mark.parametrize(
    ("audio", "why"),
    [
        (np.zeros((2, 2), np.float32), "2 dimensions"),
        (np.zeros(LONGEST_S * SAMPLE_RATE_HZ + 1, np.float32), "at most 30 s"),
        (np.array([0, np.nan], np.float32), "-1 to 1"),
        (np.array([0, np.inf], np.float32), "-1 to 1"),
    ],
)
def test_other_audio_is_refused_with_the_reason(audio: Float32, why: str) -> None:
    assert why in str(refused_audio(audio))
