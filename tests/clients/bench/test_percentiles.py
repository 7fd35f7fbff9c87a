"""Percentiles by nearest rank."""

from hypothesis import given
from hypothesis import strategies as st

from clients.bench.percentiles import percentiles
from clients.bench.result import Percentiles


def test_a_percentile_is_a_value_that_so_many_percent_do_not_exceed() -> None:
    values = [float(value) for value in range(20, 0, -1)]

    assert percentiles(values) == Percentiles(20, p50=10, p90=18, p95=19, p99=20, max=20, mean=10.5)


def test_nothing_has_no_percentiles() -> None:
    assert percentiles([]) == Percentiles(0)


@given(st.lists(st.floats(-10, 10), min_size=1))
def test_percentiles_were_observed_and_are_ordered(values: list[float]) -> None:
    found = percentiles(values)

    assert {found.p50, found.p90, found.p95, found.p99, found.max} <= set(values)
    assert found.p95 is not None
    assert sum(value <= found.p95 for value in values) >= 0.95 * len(values)
