"""The life of a session, whatever happens to it and in whatever order."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.session import lifecycle
from gateway.session.lifecycle import TRANSITIONS, Lifecycle, State, Transition
from vad.errors import LivecueError

HAPPENINGS = st.lists(st.sampled_from(Transition), max_size=30)

OVER = {State.FINISHED, State.FAILED, State.MOVED}


class Fault(LivecueError):
    """Why a session ends."""

    code = "fault"


def lived(happenings: list[Transition]) -> tuple[Lifecycle, list[State]]:
    life = Lifecycle()
    states = [life.state]
    for happening in happenings:
        life.apply(happening)
        states.append(life.state)
    return life, states


@given(HAPPENINGS)
def test_a_session_that_is_over_stays_so(happenings: list[Transition]) -> None:
    life, states = lived(happenings)
    ends = [state for state in states if state in OVER]
    assert len(set(ends)) <= 1
    assert life.is_over is (life.state in OVER)


@given(HAPPENINGS)
def test_audio_is_never_accepted_again_once_the_stream_has_ended(happenings: list[Transition]) -> None:
    _, states = lived(happenings)
    ended = [state in OVER | {State.DRAINING, State.EVICTED} for state in states]
    assert ended == sorted(ended)


@given(HAPPENINGS)
def test_a_session_finishes_only_after_its_stream_has_ended(happenings: list[Transition]) -> None:
    _, states = lived(happenings)
    for before, after in pairwise(states):
        if after is State.FINISHED is not before:
            assert before in (State.DRAINING, State.EVICTED)


@given(HAPPENINGS)
def test_an_evicted_session_cannot_be_resumed(happenings: list[Transition]) -> None:
    _, states = lived(happenings)
    if State.EVICTED in states:
        assert set(states[states.index(State.EVICTED) :]) <= {State.EVICTED, *OVER}


@pytest.mark.parametrize(
    ("happenings", "can_resume"),
    [
        ([Transition.ATTACH, Transition.DETACH], True),
        ([Transition.ATTACH, Transition.STOP, Transition.DETACH], True),
        ([Transition.ATTACH, Transition.DETACH, Transition.EVICT], False),
        ([Transition.ATTACH, Transition.STOP, Transition.FINISH], False),
        ([Transition.ATTACH, Transition.FAIL], False),
        ([Transition.ATTACH, Transition.MOVE], False),
    ],
)
def test_a_session_can_be_resumed_until_it_is_evicted_or_over(happenings: list[Transition], can_resume: bool) -> None:
    life, _ = lived(happenings)
    assert life.can_resume is can_resume


@given(HAPPENINGS, st.data())
def test_a_transition_that_comes_too_late_changes_nothing(happenings: list[Transition], data: st.DataObject) -> None:
    life, _ = lived(happenings)
    before, error = life.state, life.error
    happening = data.draw(st.sampled_from(Transition))
    is_allowed = happening in TRANSITIONS[before]
    assert life.apply(happening, Fault("late")) is is_allowed
    if not is_allowed:
        assert (life.state, life.error) == (before, error)


@pytest.mark.parametrize(
    ("happenings", "outcome"),
    [
        ([Transition.ATTACH], "interrupted"),
        ([Transition.ATTACH, Transition.STOP, Transition.FINISH], "finished"),
        ([Transition.ATTACH, Transition.DETACH, Transition.ATTACH, Transition.STOP, Transition.FINISH], "finished"),
        ([Transition.FAIL], "interrupted"),
        ([Transition.ATTACH, Transition.DETACH, Transition.MOVE], "moved"),
    ],
)
def test_the_outcome_is_how_it_ended(happenings: list[Transition], outcome: str) -> None:
    life, _ = lived(happenings)
    assert life.outcome == outcome


def test_the_outcome_of_an_error_is_its_code_also_where_all_finals_came() -> None:
    life = Lifecycle()
    life.apply(Transition.ATTACH)
    life.apply(Transition.STOP, Fault("no more"))
    life.apply(Transition.FINISH)
    assert (life.state, life.outcome) == (State.FINISHED, "fault")


def test_the_table_of_the_docstring_is_the_one_of_the_code() -> None:
    assert lifecycle.__doc__ is not None
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\|.*\|$", lifecycle.__doc__, re.M)]
    head, _, *body = rows
    written = {
        State(state): {
            Transition(happening): State(cell) for happening, cell in zip(head[1:], cells, strict=True) if cell != "–"
        }
        for state, *cells in body
    }
    assert written == TRANSITIONS
