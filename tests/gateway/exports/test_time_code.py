"""Time codes follow the clock, and are read back; ttconv counts in the same way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ttconv.time_code import FPS_29_97, SmpteTimeCode

from gateway.exports.time_code import frame_of, frame_of_time_code, ms_of_frame, time_code


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (0, "00:00:00;00"),
        (29, "00:00:00;29"),
        (1_799, "00:00:59;29"),
        (1_800, "00:01:00;02"),
        (17_981, "00:09:59;29"),
        (17_982, "00:10:00;00"),
        (107_892, "01:00:00;00"),
    ],
)
def test_two_numbers_are_left_out_in_each_minute_but_every_tenth(frame: int, text: str) -> None:
    assert time_code(frame) == text
    assert frame_of_time_code(text) == frame


@settings(deadline=None)
@given(st.integers(0, 30 * 3_600_000))
def test_a_time_code_is_less_than_a_frame_from_the_clock_and_equals_that_of_ttconv(time_ms: int) -> None:
    frame = frame_of(time_ms)
    assert abs(ms_of_frame(frame) - time_ms) <= 17
    assert frame_of_time_code(time_code(frame)) == frame
    assert SmpteTimeCode.parse(time_code(frame), FPS_29_97).to_frames() == frame


def test_a_time_code_with_colons_counts_every_frame() -> None:
    assert frame_of_time_code("00:01:00:00") == 1_800


@pytest.mark.parametrize("text", ["", "00:00:00", "00:60:00;00", "00:00:00;30", "0:00:00;00"])
def test_what_is_no_time_code_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected HH:MM:SS;FF"):
        frame_of_time_code(text)


def test_a_number_that_is_left_out_is_refused() -> None:
    with pytest.raises(ValueError, match="no such frame"):
        frame_of_time_code("00:01:00;01")
    assert frame_of_time_code("00:10:00;01") == 17_983
