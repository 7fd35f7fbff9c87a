"""Whether the client kept time."""

from clients.bench.clock_check import check_clock
from clients.bench.limits import Limits
from clients.bench.trace import Pacing


def test_a_punctual_client_makes_a_valid_run_however_long_the_server_blocks() -> None:
    clock = check_clock([Pacing(2, [0.0, 0.02], [5.0, 5.0]), Pacing()], Limits())

    assert (clock.valid, clock.reasons, clock.late.count, clock.blocked.max) == (True, [], 2, 5)


def test_a_client_that_is_often_late_makes_an_invalid_run() -> None:
    clock = check_clock([Pacing(50, [0.0] * 49 + [0.1], [0.0])], Limits())

    assert not clock.valid
    assert clock.reasons == ["the client was 0.100 s late with the latest 1 % of its frames (limit 0.05 s)"]


def test_a_client_that_is_once_very_late_makes_an_invalid_run() -> None:
    clock = check_clock([Pacing(1000, [0.0] * 999 + [0.3], [])], Limits())

    assert clock.reasons == ["the client was 0.300 s late with its latest frame (limit 0.25 s)"]
