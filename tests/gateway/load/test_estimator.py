"""The forecast of the load, from what streams have cost."""

import pytest

from gateway.load.estimator import EngineTime, LoadEstimator, StreamSample

TICK_S = 0.5


def estimator() -> LoadEstimator:
    return LoadEstimator(target=0.9, admitted_stretch=2.0)


def play(
    made: LoadEstimator,
    streams: int,
    seconds: float,
    spent_each: EngineTime,
    *,
    rate: float = 1.0,
    stretch: float = 1.0,
    has_partials: bool = True,
) -> None:
    """Let some streams send audio for a while, each at a rate and at a cost per second."""
    for tick in range(round(seconds / TICK_S) + 1):
        samples = [StreamSample(f"s{n}", tick * TICK_S * rate, stretch=stretch) for n in range(streams)]
        share = streams * TICK_S if tick else 0.0
        spent = EngineTime(spent_each.finals_s * share, spent_each.partials_s * share)
        made.observe(TICK_S, samples, spent, has_partials=has_partials)


def test_nothing_is_forecast_before_the_cost_of_a_stream_is_known() -> None:
    made = estimator()
    play(made, 1, 5, EngineTime(0.4, 0.2))
    assert (made.is_measured, made.load(3, 1.0), made.free(1)) == (False, 0.0, None)


def test_the_load_is_the_cost_of_all_streams_with_partials_as_often_as_asked() -> None:
    made = estimator()
    play(made, 2, 60, EngineTime(0.10, 0.20))
    assert made.load(2, 1.0) == pytest.approx(0.6, rel=0.01)
    assert made.load(2, 4.0) == pytest.approx(0.3, rel=0.01)
    assert made.admitted_load(2) == pytest.approx(0.4, rel=0.01)


def test_the_cost_of_stretched_partials_counts_for_all_that_were_left_out() -> None:
    made = estimator()
    play(made, 2, 60, EngineTime(0.0, 0.1), stretch=3.0)
    assert made.load(1, 1.0) == pytest.approx(0.3, rel=0.01)


def test_as_many_streams_are_free_as_fit_under_the_target() -> None:
    made = estimator()
    play(made, 2, 120, EngineTime(0.06, 0.08))
    assert made.free(2) == 7  # each takes 0.1, and 0.9 is the target
    assert made.free(9) == 0
    assert made.free(20) == 0


def test_a_stream_that_was_just_admitted_counts_in_full() -> None:
    made = estimator()
    play(made, 1, 60, EngineTime(0.1))
    assert [made.active(1), made.active(3)] == pytest.approx([1.0, 3.0])


def test_a_stream_that_sends_nothing_makes_room_for_another() -> None:
    made = estimator()
    play(made, 1, 60, EngineTime(0.2))
    for _ in range(120):
        made.observe(TICK_S, [StreamSample("s0", 60.0)], EngineTime())
    assert made.active(1) < 0.01


def test_a_stream_that_has_left_counts_no_more() -> None:
    made = estimator()
    play(made, 4, 60, EngineTime(0.1))
    made.observe(TICK_S, [StreamSample("s0", 60.5)], EngineTime())
    assert made.active(1) == pytest.approx(1.0)


def test_a_client_that_sends_ahead_counts_as_one_stream_and_its_audio_once() -> None:
    made = estimator()
    play(made, 1, 30, EngineTime(0.5), rate=10.0)
    assert made.active(1) == pytest.approx(1.0)
    assert made.load(1, 1.0) == pytest.approx(0.05, rel=0.01)


def test_the_audio_of_a_session_shorter_than_an_observation_counts_for_the_cost() -> None:
    made = estimator()
    for number in range(10):
        made.observe(TICK_S, [StreamSample(f"s{number}", 4.0, has_ended=True)], EngineTime(0.4))
    assert made.active(0) == 0
    assert made.load(1, 1.0) == pytest.approx(0.1, rel=0.01)


def test_the_audio_of_a_session_counts_from_its_first_sample() -> None:
    made = estimator()
    made.observe(TICK_S, [StreamSample("s", 20.0)], EngineTime(2.0))
    assert [made.active(1), made.load(1, 1.0)] == pytest.approx([1.0, 0.1])


def test_audio_sent_ahead_of_real_time_is_a_lead_that_time_uses_up() -> None:
    made = estimator()
    leads = []
    for received_s in (3.0, 3.0, 5.0, 5.0, *[5.0] * 10, 6.0):
        made.observe(TICK_S, [StreamSample("s", received_s)], EngineTime())
        leads.append(made.lead_s("s"))
    assert leads[:4] == [2.5, 2.0, 3.5, 3.0]
    assert leads[-2:] == [0.0, 0.5]  # a pause is no credit for later
    assert made.lead_s("another") == 0.0


def test_each_channel_of_a_session_is_a_stream() -> None:
    made = estimator()
    made.observe(TICK_S, [StreamSample("s", 0.0, channels=2)], EngineTime())
    made.observe(TICK_S, [StreamSample("s", 1.0, channels=2)], EngineTime())
    assert made.active(1) == pytest.approx(2.0)


def test_the_cost_of_partials_is_remembered_while_they_are_off() -> None:
    made = estimator()
    play(made, 2, 60, EngineTime(0.1, 0.2))
    play(made, 2, 120, EngineTime(0.1), has_partials=False)
    assert made.load(1, 1.0) == pytest.approx(0.3, rel=0.01)


def test_finals_alone_are_a_load_where_there_never_were_partials() -> None:
    made = estimator()
    play(made, 2, 60, EngineTime(0.1), has_partials=False)
    assert made.load(1, 1.0) == pytest.approx(0.1, rel=0.01)


def test_an_engine_without_a_cost_has_no_limit() -> None:
    made = estimator()
    play(made, 2, 60, EngineTime())
    assert made.free(2) is None
