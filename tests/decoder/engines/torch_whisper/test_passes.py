from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.torch_whisper.passes import EXACT, GRAPHS, MOST_DRAFTED, Need, Pass, Shapes, passes

ROWS = 64
CONTEXT = 448


@st.composite
def needs(draw: st.DrawFn, longest: int = CONTEXT, positions: int = 1500) -> list[Need]:
    """Draw what running rows need, of texts of up to so many tokens and windows of up to so many positions."""
    rows = draw(st.lists(st.integers(0, ROWS - 1), unique=True, min_size=1, max_size=12))
    return [_need(draw, row, longest, positions) for row in draw(st.permutations(rows))]


def _need(draw: st.DrawFn, row: int, longest: int, positions: int) -> Need:
    cross = draw(st.integers(min(128, positions), positions))
    if draw(st.booleans()):
        known = draw(st.integers(1, longest - 1))
        return Need(row, known, draw(st.integers(0, longest - known)), 0, cross, is_new=True)
    own = draw(st.integers(1, longest - 1))
    return Need(row, 1, draw(st.sampled_from([0, 0, 3, 40]) | st.integers(0, 200)), own, cross)


SHAPES = st.sampled_from([EXACT, GRAPHS])


def taken(need: Need) -> int:
    """Return the tokens that its pass takes in."""
    return need.entering + min(need.drafted, MOST_DRAFTED)


def covers(shape: Pass, need: Need) -> bool:
    return shape.first <= need.row < shape.first + shape.count


@given(needs(), SHAPES)
def test_every_row_has_one_pass_of_its_own_kind(rows: list[Need], shapes: Shapes) -> None:
    found = passes(rows, shapes)

    for need in rows:
        is_step = taken(need) == 1 and not need.is_new
        assert len([shape for shape in found if shape.is_step is is_step and covers(shape, need)]) == 1
    for shape in found:
        assert any(covers(shape, need) for need in rows)
    assert [shape.is_step for shape in found] == sorted(shape.is_step for shape in found)


@given(needs(), SHAPES)
def test_a_pass_is_wide_enough_for_all_rows_that_it_is_for(rows: list[Need], shapes: Shapes) -> None:
    for shape in passes(rows, shapes):
        for need in rows:
            is_step = taken(need) == 1 and not need.is_new
            if covers(shape, need) and shape.is_step is is_step:
                assert shape.width >= taken(need)
                assert shape.chosen > min(need.drafted, MOST_DRAFTED)
        assert shape.chosen <= shape.width + 1


@given(needs(), SHAPES)
def test_every_row_that_a_pass_moves_sees_all_of_its_text_and_its_audio(rows: list[Need], shapes: Shapes) -> None:
    own = {need.row: need.own for need in rows}
    for shape in passes(rows, shapes):
        for need in rows:
            if not covers(shape, need):
                continue
            # A row between those that a pass is for takes it, too: its last token, and its draft where there is room.
            entering = taken(need) if own[need.row] == need.own else 1
            assert shape.own >= min(CONTEXT, own[need.row] + min(entering, shape.width))
            assert shape.cross >= need.cross
            own[need.row] += min(entering, shape.width)


@given(needs())
def test_sizes_are_rounded_up_and_no_further_than_needed(rows: list[Need]) -> None:
    exact = {shape.is_step: shape for shape in passes(rows, EXACT) if shape.is_step}
    for shape in passes(rows, GRAPHS):
        assert shape.first % GRAPHS.lane == shape.count % GRAPHS.lane == 0
        assert shape.first + shape.count <= ROWS
        assert shape.own in GRAPHS.own
        assert shape.cross in GRAPHS.cross
        if shape.is_step:
            assert (shape.width, shape.chosen) == (1, 1)
            assert shape.first + shape.count >= exact[True].first + exact[True].count
        else:
            assert (shape.width, shape.chosen) in GRAPHS.widths


@given(needs(longest=100, positions=608))
def test_the_passes_of_usual_partials_are_among_those_that_are_captured_before(rows: list[Need]) -> None:
    width, chosen = GRAPHS.widths[1]
    usual = [
        need
        for need in rows
        if taken(need) <= width and need.drafted < chosen and need.own + taken(need) < GRAPHS.own[1]
    ]
    assert set(passes(usual, GRAPHS)) <= set(GRAPHS.all_passes(ROWS))


def test_passes_are_captured_from_the_largest_to_the_smallest_and_each_once() -> None:
    captured = GRAPHS.all_passes(ROWS)
    sizes = [shape.count * shape.width * shape.cross for shape in captured]
    assert all(one >= other for one, other in pairwise(sizes))
    assert len(set(captured)) == len(captured)


def test_nothing_is_captured_where_passes_are_exact() -> None:
    assert EXACT.all_passes(ROWS) == []
    assert passes([], GRAPHS) == []


@pytest.mark.parametrize(("drafted", "width"), [(0, 30), (7, 37), (MOST_DRAFTED, 126), (300, 126)])
def test_a_first_pass_takes_the_prompt_and_as_much_of_the_draft_as_is_verified_at_once(
    drafted: int, width: int
) -> None:
    [shape] = passes([Need(5, 30, drafted, 0, 189, is_new=True)], EXACT)
    assert shape == Pass(5, 1, width, width - 30 + 1, width, 189, is_step=False)
