"""Loops are recognised as tensor arithmetic as they are in Python."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from decoder.engines.torch_whisper.loops import CERTAIN_LOOP_TOKENS, LOOP_TOKENS, end_in_loops
from decoder.whisper.repetition import LEAST_REPEATS, LONGEST_REPEATED_TOKENS, repeats_itself

PLACES = 200

NEVER = 1 << 20


def found(texts: Sequence[tuple[Sequence[int], Sequence[int]]], least: int) -> list[bool]:
    """Return for each (prompt, text) whether the text ends in a loop."""
    tokens = torch.full((len(texts), PLACES), 7)
    for row, (prompt, text) in enumerate(texts):
        tokens[row, : len(prompt) + len(text)] = torch.tensor([*prompt, *text])
    known = torch.tensor([len(prompt) + len(text) for prompt, text in texts])
    first = torch.tensor([len(prompt) for prompt, _ in texts])
    ends: list[bool] = end_in_loops(tokens, known, first, torch.tensor([least] * len(texts))).tolist()
    return ends


def expected(text: Sequence[int], least: int) -> bool:
    for length in range(1, LONGEST_REPEATED_TOKENS + 1):
        count = max(least, LEAST_REPEATS * length)
        end = text[-count:]
        if len(text) >= count and all(end[n] == end[n - length] for n in range(length, count)):
            return True
    return False


@st.composite
def texts(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Draw a prompt, and a text of words and phrases that are repeated."""
    token = st.integers(0, 2)
    text: list[int] = []
    for _ in range(draw(st.integers(0, 3))):
        phrase = draw(st.lists(token, min_size=1, max_size=14))
        text += phrase * draw(st.integers(1, 12))
    text += draw(st.lists(token, max_size=2))
    return draw(st.lists(token, max_size=10)), text[:150]


@given(st.lists(texts(), min_size=1, max_size=4), st.sampled_from([LOOP_TOKENS, 20, CERTAIN_LOOP_TOKENS, NEVER]))
def test_texts_end_in_loops_as_in_python(rows: list[tuple[list[int], list[int]]], least: int) -> None:
    assert found(rows, least) == [expected(text, least) for _, text in rows]


@settings(max_examples=50)
@given(texts())
def test_a_text_that_ends_at_its_first_loop_is_one_and_was_none_before(row: tuple[list[int], list[int]]) -> None:
    prompt, text = row
    for count in range(1, len(text) + 1):
        if found([(prompt, text[:count])], LOOP_TOKENS) == [True]:
            assert repeats_itself(text[:count])
            break
        assert not repeats_itself(text[:count])


@pytest.mark.parametrize(
    ("text", "is_loop"),
    [
        ([5] * 5, False),
        ([5] * 6, True),
        ([1, 2] * 3, False),
        ([1, 2] * 4, True),
        ([1, 2] * 4 + [3], False),
        ([], False),
    ],
)
def test_a_phrase_counts_from_its_fourth_time(text: list[int], is_loop: bool) -> None:
    assert found([((), text)], LOOP_TOKENS) == [is_loop]


def test_what_stands_before_the_text_does_not_count() -> None:
    assert found([([5] * 20, [5] * 5), ([5] * 20, [5] * 6)], LOOP_TOKENS) == [False, True]


def test_a_certain_loop_is_longer() -> None:
    rows = [((), [5] * (CERTAIN_LOOP_TOKENS - 1)), ((), [5] * CERTAIN_LOOP_TOKENS), ((), [*range(10)] * 10)]
    assert found(rows, CERTAIN_LOOP_TOKENS) == [False, True, True]
