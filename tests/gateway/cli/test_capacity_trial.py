"""The objective of a trial of streams."""

import pytest

from gateway.cli.capacity_trial import Objective, StreamRecord, Trial, first_count
from gateway.load.estimator import EngineTime

OBJECTIVE = Objective(final_s=1.5, stretch=2.0)


def trial(*lags_s: float, missing: int = 0, stretch: float = 1.0) -> Trial:
    return Trial([StreamRecord(lags_s, missing, stretch), StreamRecord((), 0, 1.0)])


@pytest.mark.parametrize(
    ("shown", "is_met"),
    [
        (trial(*[1.0] * 95, *[9.0] * 5), True),
        (trial(*[1.0] * 94, *[9.0] * 6), False),
        (trial(1.5), True),
        (trial(1.51), False),
        (trial(1.0, missing=1), False),
        (trial(1.0, stretch=2.0), True),
        (trial(1.0, stretch=2.1), False),
        (trial(), False),
    ],
    ids=["5 % late", "6 % late", "at the limit", "above it", "missing", "half rate", "rarer", "no finals"],
)
def test_the_objective_is_met_by_nearly_all_finals_and_all_streams(shown: Trial, is_met: bool) -> None:
    assert shown.meets(OBJECTIVE) is is_met


def test_a_trial_without_finals_has_no_lag() -> None:
    assert (trial().final_p50_s, trial().final_p95_s, trial(1.0, 3.0).final_p50_s) == (None, None, 1.0)


@pytest.mark.parametrize(
    ("cost", "count"),
    [(EngineTime(0.6, 0.6), 10), (EngineTime(0.0, 0.0), 50), (EngineTime(11.0, 2.0), 2), (EngineTime(0.001), 50)],
    ids=["by cost", "free", "only one fits", "at most"],
)
def test_the_search_begins_where_a_single_stream_points(cost: EngineTime, count: int) -> None:
    assert first_count(cost, 10.0, OBJECTIVE, 50) == count


def test_the_objective_is_stated_in_words() -> None:
    assert str(OBJECTIVE).startswith("95 % of finals within 1.5 s of the end of speech, partials at 1/2 of their rate")
