"""Leases and fencing tokens."""

from gateway.journal.ownership import Ownership


def test_a_gateway_is_certain_to_own_its_sessions_while_its_lease_lasts() -> None:
    ownership = Ownership(10.0)
    assert not ownership.is_certain(0.0), "it has no lease yet"
    ownership.renewed(100.0)
    assert ownership.is_certain(109.9)
    assert not ownership.is_certain(110.0)
    ownership.renewed(112.0)
    assert ownership.is_certain(112.0)


def test_a_session_is_lost_once_a_newer_token_was_drawn() -> None:
    ownership = Ownership(10.0)
    ownership.open("new")
    ownership.acquired("resumed", 5)
    ownership.open("resumed")
    assert (ownership.fence_of("new"), ownership.fence_of("resumed")) == (1, 5)
    assert ownership.sessions() == ("new", "resumed")
    assert ownership.lost({"new": 1, "resumed": None, "unknown": 3}) == frozenset()
    assert ownership.lost({"new": 1, "resumed": 6}) == {"resumed"}
    assert ownership.sessions() == ("new",)
    ownership.forget(["new", "unknown"])
    assert ownership.sessions() == ()
