"""Stamps of frames, and the silence that is missing between them."""

import pytest

from vad.track_clock import TrackClock

FRAME_S = 0.02


def silences(clock: TrackClock, *stamps: float | None) -> list[float]:
    return [clock.silence_before(stamp_s, FRAME_S) for stamp_s in stamps]


def in_a_row(begin_s: float, count: int = 5) -> list[float]:
    return [begin_s + number * FRAME_S for number in range(count)]


def test_frames_in_a_row_need_no_silence() -> None:
    assert silences(TrackClock(1.4), *in_a_row(1.4)) == [0] * 5


def test_a_track_that_begins_late_begins_with_silence() -> None:
    assert silences(TrackClock(1.4), *in_a_row(5.4)) == pytest.approx([4, 0, 0, 0, 0])


def test_without_a_start_time_the_file_begins_with_its_first_frame() -> None:
    assert silences(TrackClock(None), *in_a_row(5.4)) == [0] * 5


def test_a_hole_is_silence() -> None:
    assert silences(TrackClock(0), 0.0, 0.02, 10.04) == pytest.approx([0, 0, 10])


def test_small_holes_are_silence_once_they_add_up() -> None:
    clock = TrackClock(0)
    stamps = [number * 0.06 for number in range(100)]
    assert sum(silences(clock, *stamps)) == pytest.approx(99 * 0.04, abs=0.1)


def test_what_jitters_is_left_alone() -> None:
    assert silences(TrackClock(0), 0.0, 0.05, 0.03, 0.09, 0.08) == [0] * 5


def test_frames_without_stamps_follow_the_one_before() -> None:
    assert silences(TrackClock(0), 0.0, None, None, 0.06, None, 5.1) == pytest.approx([0, 0, 0, 0, 0, 5])


@pytest.mark.parametrize("begin_s", [0.0, 95_000.0])
def test_a_reset_clock_continues_at_the_position_of_the_audio(begin_s: float) -> None:
    """As of radio stations, whose streams follow one another, and of recordings that were joined."""
    clock = TrackClock(0)
    assert silences(clock, *in_a_row(50.0), *in_a_row(begin_s))[5:] == [0] * 5
    assert silences(clock, begin_s + 3.1) == pytest.approx([3])


def test_no_hole_leads_out_of_the_file() -> None:
    assert silences(TrackClock(0, duration_s=60), 0.0, 59.02, 500.0, 500.02) == pytest.approx([0, 59, 0, 0])


def test_a_hole_may_be_as_long_as_the_file() -> None:
    assert silences(TrackClock(0, duration_s=9_000), 8_000.0) == [8_000]
