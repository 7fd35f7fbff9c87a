"""Percentiles of what a benchmark measured."""

import pytest

from benchmarks.percentile import percentile


def test_the_percentile_of_nothing_is_none() -> None:
    assert percentile([], 50) is None


@pytest.mark.parametrize(("percent", "expected"), [(0, 1.0), (50, 2.0), (75, 2.5), (100, 3.0)])
def test_percentiles_between_values_are_interpolated(percent: float, expected: float) -> None:
    assert percentile([3.0, 1.0, 2.0], percent) == expected
