"""The limit of concurrent sessions."""

from contextlib import ExitStack

import pytest

from gateway.access.admission import Admission, Shares
from gateway.access.authenticator import Caller
from gateway.access.drain import Drain
from gateway.errors import Overloaded


def test_as_many_sessions_come_in_as_there_is_room_for() -> None:
    admission = Admission(most=2)
    with ExitStack() as sessions:
        sessions.enter_context(admission.enter())
        sessions.enter_context(admission.enter())
        with pytest.raises(Overloaded, match="2 sessions are open"), admission.enter():
            pytest.fail("let in")
        assert admission.open == 2
    assert admission.open == 0


def test_a_session_that_leaves_makes_room_for_one() -> None:
    admission = Admission(most=1)
    for _ in range(3):
        with admission.enter():
            assert admission.open == 1


def test_a_session_that_fails_gives_its_place_back() -> None:
    admission = Admission(most=1)
    with pytest.raises(RuntimeError, match="failed"), admission.enter():
        raise RuntimeError("failed")
    assert admission.open == 0


def test_a_refused_session_takes_no_place() -> None:
    admission = Admission(most=1)
    with admission.enter(), pytest.raises(Overloaded), admission.enter():
        pytest.fail("let in")
    with admission.enter():
        assert admission.open == 1


def test_the_forecast_refuses_before_the_slots_are_taken() -> None:
    free = 2
    admission = Admission(most=5, forecast=lambda taken: free - taken)
    with admission.enter(), admission.enter():
        assert (admission.limit, admission.free) == (2, 0)
        with pytest.raises(Overloaded, match="2 sessions are open, and the engine has no capacity"), admission.enter():
            pytest.fail("let in")
        free = 9
        assert (admission.limit, admission.free) == (5, 3)


def test_a_share_is_of_what_the_engine_holds() -> None:
    shares = Shares(lambda caller: caller.name, most=0.5)
    admission = Admission(most=200, shares=shares, forecast=lambda taken: 4 - taken)
    one, other = Caller("one"), Caller("other")
    with admission.enter(one), admission.enter(one):
        with pytest.raises(Overloaded, match="2 sessions of one are open, which is its share"), admission.enter(one):
            pytest.fail("let in")
        with admission.enter(other):
            assert admission.open == 3


def test_nothing_is_free_while_the_gateway_drains() -> None:
    drain = Drain()
    admission = Admission(most=5, drain=drain)
    assert admission.free == 5
    drain.begin()
    assert admission.free == 0
