"""Alignments of words: the fewest changes, the most equal words, and plausible times."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from clients.bench.alignment import Pair, WordTimes, aligned, aligned_in_time, common_prefix

LETTERS = st.lists(st.sampled_from("abc"), max_size=7)


def times(spoken: Sequence[str], shown_s: Sequence[float]) -> WordTimes:
    return WordTimes(
        [float(place) for place in range(len(spoken))], [place + 0.9 for place in range(len(spoken))], shown_s
    )


def cost(one: Sequence[str], other: Sequence[str], pairs: Sequence[Pair]) -> tuple[int, int]:
    changes = [(i, j) for i, j in pairs if i is None or j is None or one[i] != other[j]]
    return len(changes), sum(i is not None and j is not None for i, j in changes)


def least_cost(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    if not one or not other:
        return len(one) + len(other), 0
    changed = one[0] != other[0]
    paired, first, second = least_cost(one[1:], other[1:]), least_cost(one[1:], other), least_cost(one, other[1:])
    return min((paired[0] + changed, paired[1] + changed), (first[0] + 1, first[1]), (second[0] + 1, second[1]))


def test_equal_words_are_paired() -> None:
    assert aligned(["a", "b"], ["a", "b"]) == [(0, 0), (1, 1)]


def test_a_surplus_word_is_paired_with_none() -> None:
    assert aligned(["a", "c"], ["a", "b", "c"]) == [(0, 0), (None, 1), (1, 2)]
    assert aligned(["a", "b", "c"], ["a", "c"]) == [(0, 0), (1, None), (2, 1)]


def test_of_equally_good_alignments_the_earliest_pairs_are_returned() -> None:
    assert aligned(["x", "wor"], ["x", "world", "today"]) == [(0, 0), (1, 1), (None, 2)]


@given(LETTERS, LETTERS)
def test_an_alignment_has_the_fewest_changes_and_then_the_most_equal_words(one: list[str], other: list[str]) -> None:
    assert cost(one, other, aligned(one, other)) == least_cost(one, other)


@given(LETTERS, LETTERS)
def test_an_alignment_has_each_word_once_and_in_order(one: list[str], other: list[str]) -> None:
    pairs = aligned(one, other)

    assert [i for i, _ in pairs if i is not None] == list(range(len(one)))
    assert [j for _, j in pairs if j is not None] == list(range(len(other)))


def test_repeated_words_are_paired_with_the_least_lag() -> None:
    spoken = ["one", "two", "one", "two"]

    assert aligned_in_time(spoken, ["one", "two"], times(spoken, [3.0, 4.0])) == [(0, None), (1, None), (2, 0), (3, 1)]


def test_a_word_displayed_before_it_was_spoken_is_another_one() -> None:
    spoken = ["one", "two", "one"]

    assert aligned_in_time(spoken, ["one"], times(spoken, [1.0])) == [(0, 0), (1, None), (2, None)]
    assert aligned_in_time(["a", "b"], ["b"], times(["a", "b"], [0.4])) == [(0, 0), (1, None)]
    assert aligned_in_time(["a"], ["a"], times(["a"], [-1.0])) == [(None, 0), (0, None)]


@given(LETTERS, LETTERS)
def test_times_change_no_count_of_errors_if_every_word_is_late(one: list[str], other: list[str]) -> None:
    pairs = aligned_in_time(one, other, times(one, [100.0] * len(other)))

    assert cost(one, other, pairs) == least_cost(one, other)


def test_a_common_prefix_ends_with_the_shorter_series() -> None:
    assert common_prefix("abc", "abd") == 2
    assert common_prefix("ab", "abc") == 2
    assert common_prefix("", "a") == 0
