"""The partial interval under load."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.session.partial_pacing import PartialPacing

BASE = 8_000
"""Half a second."""


def test_an_engine_that_keeps_up_leaves_the_interval_as_set() -> None:
    cadence = PartialPacing(BASE, 4)
    for _ in range(10):
        cadence.took(BASE / 10)
    assert cadence.interval_samples == BASE
    assert cadence.announcement() is None


def test_partials_that_take_longer_than_the_interval_stretch_it_until_they_fit() -> None:
    cadence = PartialPacing(BASE, 4)
    for _ in range(20):
        cadence.took(2 * BASE)
    assert 2 * BASE <= cadence.interval_samples < 2.6 * BASE


def test_an_engine_is_far_behind_when_partials_come_at_half_their_rate() -> None:
    cadence = PartialPacing(BASE, 4)
    states = [(cadence.is_stretched, cadence.is_far_behind)]
    for _ in range(4):
        cadence.took(float("inf"))
        states.append((cadence.is_stretched, cadence.is_far_behind))
    assert states == [(False, False), (True, False), (True, False), (True, False), (True, True)]


def test_it_is_never_stretched_further_than_allowed() -> None:
    cadence = PartialPacing(BASE, 4)
    for _ in range(50):
        cadence.took(float("inf"))
    assert cadence.interval_samples == 4 * BASE


def test_it_shrinks_back_when_the_load_is_gone_and_says_so() -> None:
    cadence = PartialPacing(BASE, 4)
    cadence.took(float("inf"))
    assert cadence.announcement() == 10_000
    for _ in range(20):
        cadence.took(0)
    assert cadence.announcement() == BASE
    assert cadence.announcement() is None


def test_small_changes_are_not_announced() -> None:
    cadence = PartialPacing(BASE, 4)
    for _ in range(3):
        cadence.took(float("inf"))
    cadence.announcement()
    cadence.took(0)
    assert cadence.announcement() is None


@given(st.lists(st.floats(0, 1e6)), st.integers(800, 480_000), st.floats(1, 10))
def test_it_stays_between_the_set_interval_and_the_longest(times: list[float], base: int, stretch: float) -> None:
    cadence = PartialPacing(base, stretch)
    for time in times:
        cadence.took(time)
        assert base <= cadence.interval_samples <= round(base * stretch)
