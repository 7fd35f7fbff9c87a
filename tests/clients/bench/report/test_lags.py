"""Distributions count every spoken word, and lags over time stay in order."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from clients.bench.report.lags import LAGS, Lag, distribution, over_time, share_within
from clients.bench.result import Run, Stream, Word
from tests.clients.bench.results import a_result

SHOWN = next(lag for lag in LAGS if lag.metric == "word_shown")
FINAL = next(lag for lag in LAGS if lag.metric == "final")


def a_word(shown_s: float | None = None, final_s: float | None = None, ends_speech: bool = False) -> Word:
    """Return a word that ends at 1 s."""
    return Word("word", 0.5, 1.0, ends_speech, "word", shown_s, shown_s, None, final_s)


def a_run(*words: Word, lag_over_time: tuple[tuple[float, float], ...] = ()) -> Run:
    """Return a run of one stream."""
    run = a_result(loads=[1]).runs[0]
    stream = structs.replace(run.per_stream[0], words=words, lag_over_time=lag_over_time)
    return structs.replace(run, per_stream=[stream])


def a_stream(*lags: tuple[float, float]) -> Stream:
    return a_run(lag_over_time=lags).per_stream[0]


def test_a_distribution_rises_at_each_lag() -> None:
    found = distribution(SHOWN, [a_run(a_word(1.5), a_word(1.2), a_word(3.0), a_word(1.4))])
    assert found.due == 4
    assert [(round(lag_s, 6), share) for lag_s, share in found.points] == [
        (0.2, 0.25),
        (0.4, 0.5),
        (0.5, 0.75),
        (2.0, 1.0),
    ]


def test_words_that_were_never_displayed_keep_a_distribution_below_1() -> None:
    assert distribution(SHOWN, [a_run(a_word(1.5), a_word(None))]).points == ((0.5, 0.5),)


def test_only_ends_of_speech_have_a_lag_of_the_final() -> None:
    words = [a_word(final_s=2.0), a_word(final_s=3.0, ends_speech=True), a_word(None, ends_speech=True)]
    found = distribution(FINAL, [a_run(*words)])
    assert (found.due, found.points) == (2, ((2.0, 0.5),))


def test_runs_are_pooled() -> None:
    assert distribution(SHOWN, [a_run(a_word(1.5)), a_run(a_word(2.0))]).points == ((0.5, 0.5), (1.0, 1.0))


def test_without_words_there_are_no_points() -> None:
    assert distribution(SHOWN, [a_run()]).points == ()


def test_words_within_a_limit_are_counted() -> None:
    found = distribution(SHOWN, [a_run(a_word(1.5), a_word(2.0))])
    assert [share_within(found, limit_s) for limit_s in (0.1, 0.5, 0.7, 9.0)] == [0.0, 0.5, 0.5, 1.0]


@pytest.mark.parametrize("lag", LAGS, ids=lambda lag: lag.metric)
def test_every_lag_reads_the_percentiles_and_the_times_of_its_name(lag: Lag) -> None:
    run = a_result(loads=[1]).runs[0]
    assert lag.percentiles(run) is getattr(run, lag.metric)
    assert distribution(lag, [run]).points[-1][0] == pytest.approx(lag.percentiles(run).max)


@given(lags=st.lists(st.floats(-1, 60), max_size=600), missing=st.integers(0, 20))
def test_distributions_are_ascending_of_bounded_length_and_keep_both_ends(lags: list[float], missing: int) -> None:
    words = [a_word(1.0 + lag_s) for lag_s in lags] + [a_word(None)] * missing
    found = distribution(SHOWN, [a_run(*words)])
    assert len(found.points) <= 240
    assert all(before[0] <= after[0] and before[1] < after[1] for before, after in pairwise(found.points))
    if lags:
        assert found.points[0][0] == pytest.approx(min(lags), abs=1e-9)
        assert found.points[-1][0] == pytest.approx(max(lags), abs=1e-9)
        assert found.points[-1][1] == len(lags) / (len(lags) + missing)


def test_lags_over_time_are_grouped_over_all_streams() -> None:
    found = over_time([a_stream((0.1, 0.5), (1.9, 0.7), (2.1, 1.0)), a_stream((0.5, 0.9), (5.0, 4.0))])
    assert [(interval.middle_s, interval.low, interval.median, interval.high) for interval in found] == [
        (1.0, 0.5, 0.7, 0.9),
        (3.0, 1.0, 1.0, 1.0),
        (5.0, 4.0, 4.0, 4.0),
    ]


def test_long_streams_have_as_many_intervals_as_a_chart_can_show() -> None:
    found = over_time([a_stream(*((float(second), 1.0) for second in range(3600)))])
    assert len(found) <= 41


def test_without_lags_there_are_no_intervals() -> None:
    assert over_time([]) == ()
