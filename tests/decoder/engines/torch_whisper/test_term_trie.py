"""The automaton of terms against a search for them in whole texts."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.torch_whisper.term_trie import State, Term, automaton

OTHER = 99
"""A token that is in no term."""

TERMS = st.lists(
    st.builds(Term, st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple), st.sampled_from([0.5, 1.0, 3.0])),
    max_size=6,
)
TEXTS = st.lists(st.integers(0, 4), max_size=12)


def state_after(text: Sequence[int], states: Iterable[State]) -> State:
    ends = [state for state in states if tuple(text[len(text) - len(state.path) :]) == state.path]
    return max(ends, key=lambda state: len(state.path))


def gain(token: int, state: State, states: Sequence[State]) -> float:
    """Return what a token gains on those in no term."""
    return states[0].gains.get(token, 0.0) + (state.gains.get(token, 0.0) if state.path else 0.0)


def total(text: Sequence[int], terms: Sequence[Term]) -> float:
    """Return what a text gains altogether, what is taken back at its end included."""
    states = automaton(terms)
    whole = [*text, OTHER]
    befores = [state_after(whole[:place], states) for place in range(len(whole))]
    return sum(gain(token, before, states) - before.held for token, before in zip(whole, befores, strict=True))


def has(text: Sequence[int], term: Term) -> bool:
    length = len(term.tokens)
    return any(tuple(text[begin : begin + length]) == term.tokens for begin in range(len(text)))


def test_each_token_of_a_complete_term_gains_its_score() -> None:
    assert total([7, 1, 2, 3, 7], [Term((1, 2, 3), 1.5)]) == pytest.approx(4.5)
    assert total([1, 2, 1, 2], [Term((1, 2), 1.0)]) == pytest.approx(4.0)


def test_a_term_that_breaks_off_gains_nothing() -> None:
    assert total([1, 2, 7], [Term((1, 2, 3), 1.5)]) == pytest.approx(0.0)
    assert total([1, 2], [Term((1, 2, 3), 1.5)]) == pytest.approx(0.0)


def test_a_token_that_continues_a_term_gains_by_what_would_be_lost_too() -> None:
    states = automaton([Term((1, 2, 3), 1.5)])
    assert [state.held for state in states] == [0.0, 1.5, 3.0, 0.0]
    assert [gain(token, state, states) for token, state in zip((1, 2, 3), states, strict=False)] == [1.5, 3.0, 4.5]


def test_what_a_term_gained_stays_where_a_longer_one_that_begins_with_it_breaks_off() -> None:
    terms = [Term((1, 2), 1.0), Term((1, 2, 3, 4), 1.0)]
    assert total([1, 2, 3, 7], terms) == pytest.approx(2.0)
    assert total([1, 2, 3, 4], terms) == pytest.approx(4.0)


def test_what_a_term_gained_stays_where_a_longer_one_around_it_breaks_off() -> None:
    terms = [Term((1, 2, 3, 4), 1.0), Term((2, 3), 1.0)]
    assert total([1, 2, 3, 7], terms) == pytest.approx(2.0)
    assert total([1, 2, 3, 4], terms) == pytest.approx(4.0)


def test_a_token_that_breaks_a_term_off_may_go_on_with_the_end_of_it() -> None:
    assert total([1, 2, 3, 7], [Term((1, 2, 4), 1.0), Term((2, 3), 1.0)]) == pytest.approx(2.0)
    assert total([1, 1, 2], [Term((1, 2), 1.0)]) == pytest.approx(2.0)


def test_the_beginning_that_terms_share_gains_by_the_greatest_of_their_scores() -> None:
    terms = [Term((1, 2), 1.0), Term((1, 3), 2.0)]
    assert total([1, 2], terms) == pytest.approx(3.0)
    assert total([1, 3], terms) == pytest.approx(4.0)


def test_without_terms_there_is_one_state() -> None:
    assert automaton([]) == (State((), 0.0, {}),)


@given(TERMS, TEXTS)
def test_a_text_gains_something_just_where_it_has_a_term(terms: list[Term], text: list[int]) -> None:
    least = max((len(term.tokens) * term.score for term in terms if has(text, term)), default=0.0)
    if least:
        assert total(text, terms) >= least - 1e-9
    else:
        assert total(text, terms) == pytest.approx(0.0)


@given(TERMS)
def test_no_token_gains_less_in_a_term_than_at_its_beginning(terms: list[Term]) -> None:
    states = automaton(terms)
    assert all(nats >= 0 for state in states for nats in state.gains.values())
    assert all(state.held >= 0 for state in states)
