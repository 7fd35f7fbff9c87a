"""The place of live audio: across jumps of the clock, cuts, bursts and repetitions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.sources.timeline import LiveTimeline, Placed, TimedAudio

RATE_HZ = 16_000
PIECE_S = 0.1
PCM = bytes(round(PIECE_S * RATE_HZ) * 2)


@dataclass
class Program:
    """What is on the air: each piece of audio names its own time, so that its place can be checked.

    Attributes:
        timeline: where it is received.
        begin_s: time on the air of time 0 of the session.
    """

    timeline: LiveTimeline
    begin_s: float = 100.0

    def __post_init__(self) -> None:
        self.placed: list[tuple[float, float]] = []
        """Time on the air and place in the session, of each piece."""
        self.silence_s = 0.0
        self._on_air: list[float] = []

    def receive(self, begin_s: float, end_s: float, clock_s: float = 0.0, delay_s: float = 0.3) -> None:
        """Receive the program from one time to another, live.

        Args:
            begin_s, end_s: on the air.
            clock_s: timestamp of the beginning of the program.
            delay_s: of the path.
        """
        for time_s in times(begin_s, end_s):
            self.push(time_s, time_s + clock_s, time_s + PIECE_S + delay_s)

    def receive_at_once(self, begin_s: float, end_s: float, clock_s: float, arrival_s: float) -> None:
        """Receive what a server has kept."""
        for time_s in times(begin_s, end_s):
            self.push(time_s, time_s + clock_s, arrival_s)

    def push(self, time_s: float, stamp_s: float | None, arrival_s: float) -> None:
        self._on_air.append(time_s)
        self._keep(self.timeline.push(TimedAudio(stamp_s, PCM), arrival_s))

    def reconnect(self) -> None:
        self._keep(self.timeline.reconnected())

    def end(self) -> None:
        self._keep(self.timeline.flush())

    def _keep(self, placed: Sequence[Placed]) -> None:
        for each in placed:
            # pieces that were repetitions are not placed
            time_s = self._on_air.pop(0)
            self.silence_s += each.silence_samples / RATE_HZ
            self.placed.append((time_s, (each.start_sample + each.silence_samples) / RATE_HZ))

    def errors_s(self) -> list[float]:
        """Return how much later than on the air each piece is placed."""
        return [place_s - (time_s - self.begin_s) for time_s, place_s in self.placed]


def times(begin_s: float, end_s: float) -> Iterator[float]:
    return (begin_s + index * PIECE_S for index in range(round((end_s - begin_s) / PIECE_S)))


def test_audio_without_interruption_is_placed_at_once_and_without_silence() -> None:
    program = Program(LiveTimeline())
    program.receive(100, 110, clock_s=-37)
    assert len(program.placed) == 100
    assert program.silence_s == 0
    assert max(map(abs, program.errors_s())) < 0.001


def test_audio_without_timestamps_follows_what_was_before() -> None:
    program = Program(LiveTimeline())
    for index, time_s in enumerate(times(100, 101)):
        program.push(time_s, None if index % 2 else time_s, time_s + 0.1)
    assert program.silence_s == 0


def test_lost_packets_are_silence() -> None:
    program = Program(LiveTimeline())
    program.receive(100, 102)
    program.receive(103, 104)
    assert program.silence_s == pytest.approx(1.0, abs=0.001)
    assert max(map(abs, program.errors_s())) < 0.001


def test_timestamps_within_the_tolerance_insert_nothing() -> None:
    program = Program(LiveTimeline())
    program.receive(100, 102)
    program.receive(102, 104, clock_s=0.08)
    program.receive(104, 106, clock_s=-0.01)
    assert program.silence_s == 0


def test_a_stream_that_stalls_and_drops_keeps_its_time() -> None:
    program = Program(LiveTimeline())
    program.receive(100, 105)
    program.receive(135, 140)
    assert program.silence_s == pytest.approx(30.0, abs=0.001)
    assert max(map(abs, program.errors_s())) < 0.001


@pytest.mark.parametrize("jump_s", [95_443.7, -95_443.7, 5.0, -5.0])
def test_a_jump_of_the_clock_within_a_connection_is_no_silence(jump_s: float) -> None:
    program = Program(LiveTimeline())
    program.receive(100, 110)
    program.receive(110, 120, clock_s=jump_s)
    program.end()
    assert program.silence_s == 0
    assert max(map(abs, program.errors_s())) < 0.001


def test_a_restart_of_the_encoder_within_a_connection_leaves_the_time_that_has_passed() -> None:
    program = Program(LiveTimeline())
    program.receive(100, 110)
    program.receive(117, 120, clock_s=-117)
    program.end()
    assert program.silence_s == pytest.approx(7.0, abs=0.01)
    assert max(map(abs, program.errors_s())) < 0.01


def test_two_jumps_in_a_moment_lose_nothing() -> None:
    program = Program(LiveTimeline())
    program.receive(100, 110)
    program.receive(110, 110.2, clock_s=1_000)
    program.receive(110.2, 110.4, clock_s=-1_000)
    program.receive(110.4, 112, clock_s=50_000)
    program.end()
    assert len(program.placed) == 120
    assert program.silence_s == 0
    assert max(map(abs, program.errors_s())) < 0.001


def test_segments_that_come_in_bursts_are_placed_exactly_even_at_a_jump() -> None:
    program = Program(LiveTimeline(backlog_s=15))
    for segment in range(5):
        begin_s = 100 + 6.0 * segment
        program.receive_at_once(begin_s, begin_s + 6, 0 if segment < 3 else 777, begin_s + 6.5)
    program.end()
    assert program.silence_s == 0
    assert max(map(abs, program.errors_s())) < 0.001


@pytest.mark.parametrize("clock_s", [-130.0, 0.0, 4_711.0])
def test_a_cut_of_twenty_seconds_is_as_long_as_it_was_whatever_the_clock(clock_s: float) -> None:
    program = Program(LiveTimeline())
    program.receive(100, 110)
    program.reconnect()
    program.receive(130, 140, clock_s)
    program.end()
    assert program.silence_s == pytest.approx(20.0, abs=0.01)
    assert max(map(abs, program.errors_s())) < 0.01


def test_audio_that_a_server_has_buffered_since_it_came_back_is_placed_when_it_was_on_the_air() -> None:
    program = Program(LiveTimeline())
    program.receive(100, 110)
    program.reconnect()
    program.receive_at_once(126, 131.5, -126, 132.0)
    program.receive(131.7, 140, -126)
    program.end()
    assert max(map(abs, program.errors_s())) < 0.2


def test_a_hiccup_repeats_nothing_and_inserts_nothing() -> None:
    program = Program(LiveTimeline())
    program.receive(100, 110)
    program.reconnect()
    program.receive(110, 115, -110, delay_s=0.2)
    program.end()
    assert program.silence_s == 0
    assert len(program.placed) == 150


def test_what_a_server_repeats_after_a_restart_of_the_clock_is_dropped() -> None:
    timeline = LiveTimeline()
    program = Program(timeline)
    program.receive(100, 110)
    program.reconnect()
    program.receive_at_once(106, 110.2, -106, 110.5)
    program.receive(110.2, 115, -106, delay_s=0.3)
    program.end()
    assert timeline.end_samples / RATE_HZ == pytest.approx(15.0, abs=0.05)


def test_what_a_playlist_repeats_is_dropped_to_the_sample_and_what_it_still_has_is_not_lost() -> None:
    timeline = LiveTimeline(backlog_s=15)
    program = Program(timeline)
    for begin_s in (100.0, 106.0):
        program.receive_at_once(begin_s, begin_s + 6, 0, begin_s + 6.5)
    program.reconnect()
    kept = timeline.end_samples
    # after 20 s the playlist begins within what was received
    for begin_s in (106.0, 112.0, 118.0, 124.0):
        program.receive_at_once(begin_s, begin_s + 6, 0, 136.5)
    program.receive_at_once(130, 136, 0, 137.1)
    program.end()
    assert kept == 12 * RATE_HZ
    assert timeline.end_samples == 36 * RATE_HZ
    assert program.silence_s == 0


def test_a_playlist_that_has_dropped_segments_leaves_exactly_their_time() -> None:
    timeline = LiveTimeline(backlog_s=15)
    program = Program(timeline)
    program.receive_at_once(100, 106, 0, 106.5)
    program.reconnect()
    program.receive_at_once(118, 130, 0, 133)
    program.receive_at_once(130, 136, 0, 136.5)
    program.end()
    assert program.silence_s == pytest.approx(12.0, abs=0.001)


def test_a_repeated_piece_is_cut_at_the_sample() -> None:
    timeline = LiveTimeline(backlog_s=15)
    first = TimedAudio(0.0, bytes(32_000))
    assert timeline.push(first, 1.0) == [Placed(0, 0, first.pcm)]
    timeline.reconnected()
    timeline.push(TimedAudio(0.75, b"\1\0" * 8_000), 1.5)
    assert timeline.flush() == [Placed(16_000, 0, b"\1\0" * 4_000)]


def test_audio_is_held_for_half_a_second_only() -> None:
    program = Program(LiveTimeline())
    program.receive(100, 101)
    program.reconnect()
    program.receive(120, 120.5, -120)
    assert len(program.placed) == 10
    program.receive(120.5, 120.6, -120)
    assert len(program.placed) == 16


def test_the_audio_held_is_bounded() -> None:
    timeline = LiveTimeline()
    minute = bytes(60 * RATE_HZ * 2)
    timeline.push(TimedAudio(0.0, minute), 60.0)
    timeline.reconnected()
    assert timeline.push(TimedAudio(60.0, minute), 121.0) == []
    assert len(timeline.push(TimedAudio(120.0, minute), 121.0)) == 2


def test_a_cut_right_after_a_cut_keeps_what_came_between() -> None:
    program = Program(LiveTimeline())
    program.receive(100, 110)
    program.reconnect()
    program.receive(130, 130.2, -130)
    program.reconnect()
    program.receive(140, 145, -140)
    program.end()
    assert len(program.placed) == 152
    assert max(map(abs, program.errors_s())) < 0.01


def test_a_connection_before_any_audio_changes_nothing() -> None:
    program = Program(LiveTimeline())
    program.reconnect()
    program.receive(100, 101)
    assert len(program.placed) == 10


def test_a_clock_that_drifts_is_followed_for_hours() -> None:
    timeline = LiveTimeline()
    second = bytes(RATE_HZ * 2)
    for index in range(4 * 3_600):
        timeline.push(TimedAudio(float(index), second), 1.0 + index * 1.000_05)
    timeline.reconnected()
    late_s = 4 * 3_600 * 0.000_05
    for index in range(3):
        timeline.push(TimedAudio(float(index), second), 4 * 3_600 + late_s + 20 + index + 1)
    timeline.flush()
    assert timeline.end_samples / RATE_HZ == pytest.approx(4 * 3_600 + 23, abs=0.05)


@given(
    cuts=st.lists(
        st.tuples(
            st.integers(1, 30),  # seconds on the air
            st.integers(2, 60),  # seconds away
            st.integers(-1_000, 1_000).filter(lambda hours: hours != 0),  # how much the clock has changed
            st.floats(0.0, 0.05),  # more delay than before
        ),
        max_size=4,
    )
)
@settings(max_examples=30)
def test_places_are_right_after_any_number_of_cuts(cuts: list[tuple[int, int, int, float]]) -> None:
    program = Program(LiveTimeline())
    program.receive(100, 105)
    time_s, clock_s = 105, 0
    for on_air_s, away_s, changed_hours, delay_s in cuts:
        program.reconnect()
        clock_s += 3_600 * changed_hours
        program.receive(time_s + away_s, time_s + away_s + on_air_s, clock_s, 0.3 + delay_s)
        time_s += away_s + on_air_s
    program.end()
    assert max(map(abs, program.errors_s())) < 0.01 + 0.05 * len(cuts)
