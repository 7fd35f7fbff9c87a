"""Audio in which nobody speaks."""

import numpy as np
import pytest

from clients.bench.speechless import speechless


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000])
def test_there_is_a_minute_of_silence_of_noise_and_of_music(rate_hz: int) -> None:
    made = {passage.recording: (passage.pcm, reference) for passage, reference in speechless(rate_hz)}
    assert list(made) == ["silence", "noise", "music"]
    for pcm, reference in made.values():
        assert len(pcm) == 2 * 60 * rate_hz
        assert (reference.language, reference.words, reference.duration_s) == (None, (), 60.0)
    levels = {
        name: float(np.sqrt(np.mean((np.frombuffer(pcm, "<i2") / 32_768) ** 2))) for name, (pcm, _) in made.items()
    }
    assert levels["silence"] == 0.0
    assert levels["noise"] == pytest.approx(0.003, rel=0.1)
    assert 0.02 < levels["music"] < 0.2


def test_it_is_the_same_in_each_benchmark() -> None:
    assert list(speechless(8_000)) == list(speechless(8_000))
