"""Which pauses are worth a final decoded at once."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.session.pause_statistics import PauseStatistics


def after(*ends: bool) -> PauseStatistics:
    statistics = PauseStatistics()
    for was_end in ends:
        statistics.record(was_end=was_end)
    return statistics


def test_a_new_speaker_is_assumed_to_stop_at_a_pause() -> None:
    assert PauseStatistics().is_end_likely


def test_a_first_pause_within_a_sentence_ends_that_and_a_turn_after_it_brings_it_back() -> None:
    assert not after(False).is_end_likely
    assert after(False, True).is_end_likely


def test_a_speaker_who_resumes_as_often_as_not_gets_none() -> None:
    assert not after(*[False, True] * 5).is_end_likely
    assert not after(*[False, False, True] * 5).is_end_likely
    assert after(*[False, True, True, True] * 5).is_end_likely


@given(st.lists(st.booleans(), max_size=50))
def test_enough_ends_or_enough_pauses_settle_it_whatever_was_before(before: list[bool]) -> None:
    assert after(*before, *[True] * 6).is_end_likely
    assert not after(*before, *[False] * 4).is_end_likely
