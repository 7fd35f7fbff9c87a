"""The overload ladder: up by the lag, down by lag and forecast."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.load.ladder import Ladder, Pressure, Step, Thresholds, upper_quartile

THRESHOLDS = Thresholds(lag_shed_s=4.0, lag_limit_s=90.0, load=0.9)

CALM = Pressure()


def ladder(*pressures: Pressure) -> Ladder:
    """Return a ladder after some observations, half a second apart."""
    made = Ladder(THRESHOLDS)
    for number, pressure in enumerate(pressures):
        made.observe(number / 2, pressure)
    return made


@pytest.mark.parametrize(
    ("lag_s", "step"),
    [
        (3.9, Step.NORMAL),
        (4.0, Step.PARTIALS_OFF),
        (6.0, Step.FILES_PAUSED),
        (8.0, Step.SESSIONS_REFUSED),
        (29.9, Step.SESSIONS_REFUSED),
        (30.0, Step.SHEDDING),
    ],
)
def test_the_lag_decides_how_far_it_climbs_at_once(lag_s: float, step: Step) -> None:
    assert ladder(Pressure(lag_s=lag_s)).step is step


def test_partials_at_half_their_rate_are_the_first_step() -> None:
    assert ladder(Pressure(stretch=1.9)).step is Step.NORMAL
    assert ladder(Pressure(stretch=2.0)).step is Step.STRETCHED


def test_a_step_lasts_until_its_lag_has_halved_for_a_second() -> None:
    behind, less, half = Pressure(lag_s=8.0), Pressure(lag_s=4.1), Pressure(lag_s=4.0)
    assert ladder(behind, *[less] * 20).step is Step.SESSIONS_REFUSED
    assert ladder(behind, half).step is Step.SESSIONS_REFUSED
    assert ladder(behind, half, half).step is Step.FILES_PAUSED


def test_a_moment_of_pressure_starts_the_second_again() -> None:
    behind = Pressure(lag_s=8.0)
    assert ladder(behind, CALM, behind, CALM).step is Step.SESSIONS_REFUSED
    assert ladder(behind, CALM, behind, CALM, CALM).step is Step.NORMAL


def test_an_overload_that_is_over_leaves_all_steps_together() -> None:
    assert ladder(Pressure(lag_s=40.0), CALM, CALM).step is Step.NORMAL


def test_partials_stay_off_while_even_rare_ones_would_not_fit() -> None:
    too_many = Pressure(stretched_load=0.91)
    assert ladder(Pressure(lag_s=4.0), *[too_many] * 20).step is Step.PARTIALS_OFF
    assert ladder(Pressure(lag_s=4.0), *[replace(too_many, stretched_load=0.9)] * 3).step is Step.NORMAL


def test_partials_return_stretched_where_all_of_them_would_not_fit() -> None:
    tight = Pressure(stretch=1.5, load=1.2, stretched_load=0.5)
    assert ladder(Pressure(lag_s=4.0), *[tight] * 3).step is Step.STRETCHED
    assert ladder(Pressure(lag_s=4.0), *[tight] * 3, *[replace(tight, stretch=1.0)] * 3).step is Step.NORMAL


def test_a_slow_engine_that_catches_up_by_itself_leaves_the_first_step_by_forecast() -> None:
    slow = Pressure(stretch=3.0, load=0.95)
    assert ladder(slow, *[replace(slow, stretch=1.8)] * 5).step is Step.STRETCHED
    assert ladder(slow, *[replace(slow, stretch=1.8, load=0.8)] * 3).step is Step.NORMAL


def test_a_low_limit_of_a_single_session_does_not_shed_before_sessions_are_refused() -> None:
    made = Thresholds(lag_shed_s=4.0, lag_limit_s=9.0, load=0.9)
    assert made.lag_s(Step.SHEDDING) == made.lag_s(Step.SESSIONS_REFUSED)


def test_every_step_has_a_code_of_its_own() -> None:
    assert len({step.code for step in Step}) == len(Step)


@pytest.mark.parametrize(
    ("values", "quartile"),
    [([], -1.0), ([5.0], 5.0), ([9.0, 0.0], 0.0), ([0.0, 9.0, 1.0], 1.0), ([4.0, 3.0, 2.0, 1.0, 0.0], 3.0)],
)
def test_one_of_two_that_is_behind_by_itself_is_not_the_upper_quartile(values: list[float], quartile: float) -> None:
    assert upper_quartile(values, -1.0) == quartile


@given(st.lists(st.floats(0, 100), max_size=60))
def test_it_always_ends_normal_once_the_pressure_is_gone(lags: list[float]) -> None:
    assert ladder(*[Pressure(lag_s=lag_s) for lag_s in lags], *[CALM] * 4).step is Step.NORMAL
