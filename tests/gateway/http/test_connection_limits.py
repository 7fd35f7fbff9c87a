"""Limits of connections."""

from gateway.http.connection_limits import ConnectionLimiter


def test_connections_are_limited_in_all() -> None:
    limiter = ConnectionLimiter(2, 2)
    assert limiter.enter("192.0.2.1")
    assert limiter.enter("192.0.2.2")
    assert not limiter.enter("192.0.2.3")
    assert limiter.refused == 1
    limiter.leave("192.0.2.1")
    assert limiter.enter("192.0.2.3")


def test_connections_are_limited_by_address() -> None:
    limiter = ConnectionLimiter(10, 1)
    assert limiter.enter("192.0.2.1")
    assert not limiter.enter("192.0.2.1")
    assert limiter.enter("192.0.2.2")


def test_this_machine_has_no_limit_of_its_own() -> None:
    limiter = ConnectionLimiter(3, 1)
    assert [limiter.enter("127.0.0.1") for _ in range(4)] == [True, True, True, False]
