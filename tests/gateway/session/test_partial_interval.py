"""The partial interval under load."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.session.partial_interval import PartialInterval

BASE = 8_000
"""Half a second."""


def test_an_engine_that_keeps_up_leaves_the_interval_as_set() -> None:
    interval = PartialInterval(BASE, 4)
    for _ in range(10):
        interval.record(BASE / 10)
    assert interval.samples == BASE
    assert interval.announcement() is None


def test_partials_that_take_longer_than_the_interval_stretch_it_until_they_fit() -> None:
    interval = PartialInterval(BASE, 4)
    for _ in range(20):
        interval.record(2 * BASE)
    assert 2 * BASE <= interval.samples < 2.6 * BASE


def test_it_is_never_stretched_further_than_allowed() -> None:
    interval = PartialInterval(BASE, 4)
    for _ in range(50):
        interval.record(float("inf"))
    assert interval.samples == 4 * BASE


def test_it_shrinks_back_when_the_load_is_gone_and_reports_it() -> None:
    interval = PartialInterval(BASE, 4)
    interval.record(float("inf"))
    assert interval.announcement() == 10_000
    for _ in range(20):
        interval.record(0)
    assert interval.announcement() == BASE
    assert interval.announcement() is None


def test_small_changes_are_not_announced() -> None:
    interval = PartialInterval(BASE, 4)
    for _ in range(3):
        interval.record(float("inf"))
    interval.announcement()
    interval.record(0)
    assert interval.announcement() is None


@given(st.lists(st.floats(0, 1e6)), st.integers(800, 480_000), st.floats(1, 10))
def test_it_stays_between_the_set_interval_and_the_longest(times: list[float], base: int, stretch: float) -> None:
    interval = PartialInterval(base, stretch)
    for time in times:
        interval.record(time)
        assert base <= interval.samples <= round(base * stretch)


def test_relief_of_the_gateway_resets_the_interval_at_once() -> None:
    interval = PartialInterval(BASE, 4)
    for _ in range(2):
        interval.record(float("inf"))
    assert interval.stretch == 1.5625
    interval.reset()
    assert (interval.stretch, interval.samples) == (1.0, BASE)
