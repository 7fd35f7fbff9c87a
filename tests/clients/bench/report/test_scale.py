"""Scales keep order and ends; ticks are round, ascending, and within their range."""

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clients.bench.report.scale import Doubling, Linear, doublings, round_range, round_step, ticks

VALUE = st.floats(-1e6, 1e6).map(lambda value: round(value, 4))
COUNT = st.integers(1, 12)


def is_round(value: float) -> bool:
    """Return whether a value is 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return any(math.isclose(value / power, factor) for factor in (1, 2, 5, 10))


def is_multiple(value: float, step: float) -> bool:
    return math.isclose(value / step, round(value / step), rel_tol=0, abs_tol=1e-6)


def test_a_linear_scale_maps_its_ends_and_the_middle() -> None:
    scale = Linear(1.0, 3.0, 100.0, 0.0)
    assert (scale(1.0), scale(2.0), scale(3.0)) == (100.0, 50.0, 0.0)


def test_a_doubling_scale_has_equal_distances_for_doublings() -> None:
    scale = Doubling(1.0, 16.0, 0.0, 400.0)
    assert [round(scale(value), 6) for value in (1, 2, 4, 8, 16)] == [0, 100, 200, 300, 400]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (0.0, 3.0, (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)),
        (-0.3, 0.9, (-0.2, 0.0, 0.2, 0.4, 0.6, 0.8)),
        (12.3, 17.8, (13.0, 14.0, 15.0, 16.0, 17.0)),
        (0.0, 1200.0, (0.0, 200.0, 400.0, 600.0, 800.0, 1000.0, 1200.0)),
    ],
)
def test_ticks_are_the_numbers_that_people_would_choose(low: float, high: float, expected: tuple[float, ...]) -> None:
    assert ticks(low, high, 6) == expected


def test_ticks_have_no_errors_of_binary_fractions() -> None:
    assert [f"{tick!r}" for tick in ticks(0.0, 0.7, 7)] == ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7"]


@given(low=VALUE, high=VALUE, count=COUNT)
def test_ticks_are_round_ascending_few_and_within_the_range(low: float, high: float, count: int) -> None:
    assume(high - low > 1e-3)
    found = ticks(low, high, count)
    step = round_step(high - low, count)
    assert is_round(step)
    assert len(found) <= count + 1
    assert all(low - 1e-6 * step <= tick <= high + 1e-6 * step for tick in found)
    assert all(math.isclose(after - before, step, rel_tol=1e-6) for before, after in pairwise(found))
    assert all(is_multiple(tick, step) for tick in found)


@given(low=VALUE, high=VALUE, count=COUNT)
def test_a_round_range_contains_the_other_and_ends_at_ticks(low: float, high: float, count: int) -> None:
    assume(low <= high)
    first, last = round_range(low, high, count)
    assert first <= low + 1e-6 * (last - first)
    assert high <= last + 1e-6 * (last - first)
    assert first < last


def test_a_range_without_width_gets_some() -> None:
    assert round_range(0.0, 0.0, 5) == (0.0, 0.2)
    assert round_range(3.0, 3.0, 5) == (3.0, 4.0)


def test_a_range_with_round_ends_stays_as_it_is() -> None:
    assert round_range(0.0, 0.6, 6) == (0.0, 0.6)


@given(values=st.lists(VALUE, min_size=2, max_size=20), low=VALUE, high=VALUE)
def test_a_linear_scale_keeps_the_order(values: list[float], low: float, high: float) -> None:
    assume(high - low > 1e-3)
    scale = Linear(low, high, 40.0, 400.0)
    places = [scale(value) for value in sorted(values)]
    assert all(before <= after + 1e-6 for before, after in pairwise(places))


@given(low=st.integers(1, 500), more=st.integers(0, 500))
def test_doublings_are_powers_of_two_around_the_range(low: int, more: int) -> None:
    found = doublings(low, low + more)
    assert found[0] <= low
    assert found[-1] >= low + more
    assert len(found) >= 2
    assert all(after == 2 * before for before, after in pairwise(found))
    assert found[1] > low
