"""Sample-rate conversion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vad.audio import SAMPLE_RATE_HZ, Float32
from vad.resample import Resampler

RATES_HZ = (8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000)


def resample(samples: Float32, from_hz: int, pieces_samples: list[int]) -> Float32:
    resampler = Resampler(from_hz, SAMPLE_RATE_HZ)
    converted, at = [], 0
    while at < len(samples):
        for piece_samples in pieces_samples:
            converted.append(resampler.push(samples[at : at + piece_samples]))
            at += piece_samples
    return np.concatenate([*converted, resampler.finish()])


def wave(rate_hz: int, count: int, frequency_hz: float = 300.0) -> Float32:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(count) / rate_hz)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.sampled_from(RATES_HZ),
    count=st.integers(0, 30_000),
    pieces_samples=st.lists(st.integers(1, 5_000), min_size=1, max_size=5),
)
def test_the_cuts_change_no_bit_and_the_length_is_kept(rate_hz: int, count: int, pieces_samples: list[int]) -> None:
    samples = np.random.default_rng(count).uniform(-0.5, 0.5, count).astype(np.float32)
    whole = resample(samples, rate_hz, [max(count, 1)])
    np.testing.assert_array_equal(resample(samples, rate_hz, pieces_samples), whole)
    assert abs(len(whole) - count * SAMPLE_RATE_HZ / rate_hz) <= 1


def test_one_sample_at_a_time_changes_no_bit() -> None:
    samples = wave(44_100, 9_000)
    np.testing.assert_array_equal(resample(samples, 44_100, [1]), resample(samples, 44_100, [9_000]))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_time_line_is_not_shifted(rate_hz: int) -> None:
    converted = resample(wave(rate_hz, rate_hz), rate_hz, [rate_hz // 50])
    expected = wave(SAMPLE_RATE_HZ, len(converted))
    inner = slice(400, -400)  # the filter rings where the wave is cut off
    np.testing.assert_allclose(converted[inner], expected[inner], atol=2e-4)


def test_the_core_rate_passes_untouched() -> None:
    samples = wave(SAMPLE_RATE_HZ, 1_000)
    assert Resampler(SAMPLE_RATE_HZ, SAMPLE_RATE_HZ).push(samples) is samples


def test_what_lies_above_the_new_band_is_removed() -> None:
    converted = resample(wave(48_000, 48_000, frequency_hz=9_000), 48_000, [960])
    assert np.max(np.abs(converted[400:-400])) < 1e-3


def test_an_empty_stream_is_empty() -> None:
    assert len(resample(np.zeros(0, np.float32), 48_000, [1])) == 0
