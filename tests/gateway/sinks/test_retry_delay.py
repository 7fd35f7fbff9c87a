"""The delay before an event is sent again."""

import pytest

from gateway.sinks.retry_delay import retry_delay_s


@pytest.mark.parametrize(("failures", "delay_s"), [(1, 0.5), (2, 1.0), (5, 8.0), (6, 10.0), (10_000, 10.0)])
def test_it_doubles_up_to_ten_seconds(failures: int, delay_s: float) -> None:
    assert retry_delay_s(failures, None, 0.0) == delay_s
    assert retry_delay_s(failures, None, 1.0) == delay_s / 2, "a random part is left out"


@pytest.mark.parametrize(("asked_s", "delay_s"), [(0.0, 0.5), (7.0, 7.0), (9_999.0, 60.0)])
def test_what_the_peer_asks_for_is_respected_within_a_minute(asked_s: float, delay_s: float) -> None:
    assert retry_delay_s(1, asked_s, 0.0) == delay_s
