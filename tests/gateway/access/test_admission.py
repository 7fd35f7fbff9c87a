"""The limit of concurrent sessions."""

from contextlib import ExitStack

import pytest

from gateway.access.admission import Admission
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
