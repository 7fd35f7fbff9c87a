"""The real-time factor follows the load, and does not change while nothing is decoded."""

import pytest

from decoder.real_time_factor import RealTimeFactor


def test_it_is_unknown_before_the_first_batch() -> None:
    assert RealTimeFactor().ratio is None


def test_it_is_decode_time_by_audio() -> None:
    factor = RealTimeFactor()
    factor.record(0.5, 2.0, 10.0)
    factor.record(0.5, 2.0, 10.0)
    assert factor.ratio == 0.25


def test_work_of_half_a_minute_ago_counts_half() -> None:
    factor = RealTimeFactor()
    factor.record(4.0, 4.0, 0.0)
    factor.record(0.0, 2.0, 30.0)
    assert factor.ratio == pytest.approx(2.0 / 4.0)


def test_an_empty_batch_is_no_division_by_zero() -> None:
    factor = RealTimeFactor()
    factor.record(0.1, 0.0, 0.0)
    assert factor.ratio is None
