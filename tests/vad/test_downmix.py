"""Two channels become one, and neither is lost."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audio import noise, silence, speechlike
from vad.audio import Float32
from vad.downmix import BLOCKS_PER_S, PcmDownmix
from vad.stereo import StereoDownmix

RATE_HZ = 16_000
SETTLED = 3 * RATE_HZ // BLOCKS_PER_S
"""After the first block the choice is known, after the second it is faded to."""

VOICE = speechlike(2.0)
OTHER_VOICE = speechlike(2.3)[-len(VOICE) :]


def mixed(left: Float32, right: Float32) -> Float32:
    """Return the mix of a live stream, having seen that the mix of a file is the same within a step of 16 bits."""
    live = StereoDownmix(RATE_HZ).push(left, right)
    pcm = np.rint(np.stack([left, right], axis=1) * 32_767).astype("<i2")
    file = np.frombuffer(PcmDownmix(RATE_HZ).push(pcm.tobytes()), "<i2")
    np.testing.assert_allclose(file / 32_767, live, atol=4e-5)
    return live


def level(samples: Float32) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def test_equal_channels_stay_as_they_are() -> None:
    np.testing.assert_array_equal(mixed(VOICE, VOICE), VOICE)


def test_channels_that_have_little_in_common_are_mixed_by_their_mean() -> None:
    made = mixed(VOICE, OTHER_VOICE)[RATE_HZ:]
    np.testing.assert_allclose(made, ((VOICE + OTHER_VOICE) / 2)[RATE_HZ:], atol=1e-7)


def test_of_opposite_channels_one_is_taken() -> None:
    np.testing.assert_array_equal(mixed(VOICE, -VOICE)[SETTLED:], VOICE[SETTLED:])


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0, 1.5])
def test_of_channels_that_nearly_cancel_the_louder_one_is_taken(share: float) -> None:
    voice = VOICE * np.float32(0.5)
    other = np.float32(-share) * voice + noise(2.0, 0.001)
    assert level(mixed(voice, other)[SETTLED:]) >= 0.99 * level(voice[SETTLED:])


@pytest.mark.parametrize("side", [0, 1])
def test_a_quiet_channel_beside_an_empty_one_is_not_halved(side: int) -> None:
    quiet = VOICE * np.float32(0.003)
    channels = [quiet, silence(2.0)]
    np.testing.assert_array_equal(mixed(channels[side], channels[1 - side])[RATE_HZ:], quiet[RATE_HZ:])


def test_speakers_on_a_channel_each_are_both_there() -> None:
    first, second = np.concatenate([VOICE, silence(2.0)]), np.concatenate([silence(2.0), VOICE])
    made = mixed(first, second)
    half = 2 * RATE_HZ
    assert level(made[SETTLED:half]) == pytest.approx(level(VOICE[SETTLED:]))
    assert level(made[half + RATE_HZ :]) >= 0.5 * level(VOICE[RATE_HZ:])


def test_a_quiet_speaker_is_not_mixed_with_the_noise_of_the_other_channel() -> None:
    quiet, loud = VOICE * np.float32(0.01), VOICE + noise(2.0, 0.01)
    left = np.concatenate([loud, noise(4.0, 0.01)])
    right = np.concatenate([silence(3.0), quiet, silence(1.0)]) + noise(6.0, 0.0001)
    spoken = slice(3 * RATE_HZ + RATE_HZ // 5, 5 * RATE_HZ)
    np.testing.assert_array_equal(mixed(left, right)[spoken], right[spoken])


def test_two_simultaneous_speakers_are_both_kept() -> None:
    quiet = OTHER_VOICE * np.float32(0.1)
    np.testing.assert_allclose(mixed(VOICE, quiet)[RATE_HZ:], ((VOICE + quiet) / 2)[RATE_HZ:], atol=1e-7)


def test_a_change_of_the_mix_has_no_click() -> None:
    time = np.arange(2 * RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 100 * time).astype(np.float32) * np.float32(0.5)
    other = np.concatenate([tone[:RATE_HZ], -tone[RATE_HZ:]])
    steps = np.abs(np.diff(mixed(tone, other)))
    assert steps.max() <= 1.2 * np.abs(np.diff(tone)).max()


def test_a_block_that_arrives_in_parts_is_mixed_as_a_whole_one() -> None:
    pcm = np.rint(np.stack([VOICE, -VOICE], axis=1) * 32_767).astype("<i2")[: 2 * SETTLED]
    half = RATE_HZ // BLOCKS_PER_S // 2
    file = PcmDownmix(RATE_HZ)
    parts = [file.push(pcm[start : start + half].tobytes()) for start in range(0, len(pcm), half)]
    assert b"".join(parts) == PcmDownmix(RATE_HZ).push(pcm.tobytes())
    assert np.frombuffer(parts[-1], "<i2").any()


CHANNELS = st.sampled_from(
    [VOICE, -VOICE, noise(2.0, 0.1), silence(2.0), np.concatenate([silence(1.0), VOICE[:RATE_HZ]])]
)


@given(CHANNELS, CHANNELS, st.lists(st.floats(0, 1), max_size=20))
def test_cuts_do_not_change_the_mix(left: Float32, right: Float32, places: list[float]) -> None:
    edges = [0, *sorted(int(place * len(left)) for place in places), len(left)]
    live, file = StereoDownmix(RATE_HZ), PcmDownmix(RATE_HZ)
    pcm = np.rint(np.stack([left, right], axis=1) * 32_767).astype("<i2")
    pieces = [live.push(left[first:end], right[first:end]) for first, end in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces), StereoDownmix(RATE_HZ).push(left, right))
    parts = b"".join(file.push(pcm[first:end].tobytes()) for first, end in pairwise(edges))
    assert parts == PcmDownmix(RATE_HZ).push(pcm.tobytes())
