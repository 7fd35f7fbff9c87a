"""The encoder's output for silence after trimmed windows."""

import numpy as np

from decoder.engines.whisper.encoded_silence import POSITIONS, SilenceOutputs
from decoder.whisper.batch_plan import FULL_WINDOW_FRAMES
from vad.audio import Float32

WIDTH = 4


class CountingEncoder:
    """Encodes silence as its level and position, and counts its calls."""

    def __init__(self) -> None:
        self.levels: list[float] = []

    def encode(self, features: Float32) -> Float32:
        assert features.shape[2] == FULL_WINDOW_FRAMES
        level = float(features[0, 0, 0])
        self.levels.append(level)
        places = np.arange(POSITIONS, dtype=np.float32)[:, None] + np.zeros(WIDTH, np.float32)
        return (places + 10_000 * level)[None]


def window(floor: float, frames: int = 200) -> Float32:
    log_mel = np.full((80, frames), floor + 1.0, np.float32)
    log_mel[0, -1] = floor
    return log_mel


def outputs(rows: int, positions: int = 100) -> Float32:
    return np.full((rows, positions, WIDTH), -1.0, np.float32)


def test_silence_stands_behind_the_window_at_its_own_place_up_to_thirty_seconds() -> None:
    completed = SilenceOutputs(CountingEncoder().encode).complete(outputs(1), [window(0.0)])

    assert completed.shape == (1, POSITIONS, WIDTH)
    assert (completed[0, :100] == -1.0).all()
    assert completed[0, 100:, 0].tolist() == list(range(100, POSITIONS))


def test_each_row_gets_the_silence_of_its_own_level_encoded_once() -> None:
    encoder = CountingEncoder()
    silence = SilenceOutputs(encoder.encode)

    completed = silence.complete(outputs(3), [window(-1.5), window(-0.5), window(-1.45)])
    silence.complete(outputs(1), [window(-0.55)])

    assert encoder.levels == [-1.5, -0.5]
    assert completed[0, -1, 0] == completed[2, -1, 0] != completed[1, -1, 0]
