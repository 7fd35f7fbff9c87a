from dataclasses import replace
from functools import cache

import pytest
import torch

from decoder.engines.torch_whisper.features import LogMel
from decoder.engines.torch_whisper.model import Weights, encode
from decoder.engines.torch_whisper.silence import LEVEL_STEP, LEVELS, LOG_MASS, LOWEST_LEVEL, STRIDE, Silence
from decoder.whisper.batch_plan import POSITION_SAMPLES
from tests.audio import noise
from tests.small_whisper import DIMS, checkpoint

FULL = 1500
CPU = torch.device("cpu")


@cache
def weights() -> Weights:
    return Weights.of(checkpoint(replace(DIMS, audio_positions=FULL)), CPU, torch.float32)


@pytest.fixture(scope="module")
def silence() -> Silence:
    made = Silence(weights())
    made.prepare_all()
    return made


def log_mel_of(level: int, positions: int = FULL) -> torch.Tensor:
    return torch.full((1, DIMS.mels, 2 * positions), LOWEST_LEVEL + level * LEVEL_STEP)


def test_levels_are_the_nearest_and_those_beyond_are_the_last(silence: Silence) -> None:
    floors = torch.tensor([-1.5, -1.4, -1.36, -0.5, 0.25, 7.0, -9.0])
    assert silence.levels(floors).tolist() == [0, 0, 1, 4, 7, LEVELS - 1, 0]


def test_a_floor_that_is_no_number_has_a_level_all_the_same(silence: Silence) -> None:
    levels = silence.levels(torch.tensor([torch.nan, torch.inf, -torch.inf, -1.0]))
    assert levels.tolist() == [0, LEVELS - 1, 0, 2]


def test_the_floor_of_digital_silence_is_the_lowest_level(silence: Silence) -> None:
    _, floors = LogMel(80, CPU)(torch.zeros(1, 64 * POSITION_SAMPLES))
    assert silence.levels(floors).tolist() == [0]
    assert floors.tolist() == pytest.approx([LOWEST_LEVEL])


@pytest.mark.parametrize("positions", range(64, FULL, 64))
def test_behind_every_window_stands_each_sixteenth_of_the_positions_that_follow_it(
    silence: Silence, positions: int
) -> None:
    grid = [place for place in range(STRIDE // 2, FULL, STRIDE) if place >= positions]
    levels = torch.tensor([0, 3])

    with torch.inference_mode():
        whole = [encode(weights(), log_mel_of(level))[0] for level in (0, 3)] if positions == 64 else []
        outputs, tail = silence.outputs(levels, positions), silence.tail(levels, positions)

    assert outputs.shape == (2, len(grid), DIMS.width)
    assert tail.keys_values.shape[4] == len(grid)
    # they stand for the positions that are left, but for the rounding at the end
    assert len(grid) * STRIDE == pytest.approx(FULL - positions, abs=STRIDE // 2)
    for row, encoded in enumerate(whole):
        torch.testing.assert_close(outputs[row], encoded[grid])


def test_each_row_has_the_silence_of_its_own_level(silence: Silence) -> None:
    both = silence.outputs(torch.tensor([6, 2]), 640)
    assert torch.equal(both[0], silence.outputs(torch.tensor([6]), 640)[0])
    assert torch.equal(both[1], silence.outputs(torch.tensor([2]), 640)[0])
    assert not torch.allclose(both[0], both[1])


def test_levels_are_encoded_when_they_are_first_needed_and_each_once() -> None:
    lazy = Silence(weights())
    level = torch.tensor([4, 4])
    assert not lazy.outputs(level, 64).any()

    lazy.prepare(level)
    before = lazy.outputs(level, 64)
    lazy.prepare(level)

    assert before.any()
    assert torch.equal(before, lazy.outputs(level, 64))


@torch.inference_mode()
def test_a_window_with_silence_behind_it_is_like_the_full_window(silence: Silence) -> None:
    audio = torch.zeros(1, FULL * POSITION_SAMPLES)
    audio[0, :16_000] = torch.from_numpy(noise(1.0, 0.2))
    log_mel, floors = LogMel(80, CPU)(audio)
    positions = 128
    levels = silence.levels(floors)

    full = encode(weights(), log_mel)[0, :positions]
    trimmed = log_mel[:, :, : 2 * positions]
    grafted = encode(weights(), trimmed, silence.tail(levels, positions))[0]
    bare = encode(weights(), trimmed)[0]

    # the last positions see beyond the window
    error, without = ((found - full)[:100].abs().mean() for found in (grafted, bare))
    assert error < without / 4
    assert pytest.approx(2.7726, abs=1e-4) == LOG_MASS
