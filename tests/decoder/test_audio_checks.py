"""Audio that engines in this process accept and refuse."""

import numpy as np
import pytest

from decoder.audio_checks import LONGEST_S, refused_audio
from tests.audio import silence
from vad.audio import SAMPLE_RATE_HZ, Float32


@pytest.mark.parametrize("samples", [silence(0), silence(1), silence(LONGEST_S)])
def test_audio_up_to_the_limit_is_accepted(samples: Float32) -> None:
    assert refused_audio(samples) is None


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 3), np.float32), "audio has 2 dimensions: expected 1"),
        (np.zeros(LONGEST_S * SAMPLE_RATE_HZ + 1, np.float32), "expected at most 30 s"),
        (np.array([0, np.nan], np.float32), "NaN or infinite"),
        (np.array([0, np.inf], np.float32), "NaN or infinite"),
    ],
)
def test_other_audio_is_refused_with_its_reason(samples: Float32, message: str) -> None:
    assert message in str(refused_audio(samples))
