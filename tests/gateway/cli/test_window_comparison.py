"""Whether the errors of recordings decoded in both windows speak for trimmed ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.window_comparison import MIN_RECORDINGS, Decoded, Pair, Verdict, advice, compare
from gateway.cli.word_errors import WordErrors


def pair(words: int, wrong_full: int, wrong_trimmed: int) -> Pair:
    """Return a recording with that many words wrong in each window."""
    full, trimmed = (WordErrors(words, substituted=wrong) for wrong in (wrong_full, wrong_trimmed))
    return Pair(Decoded(full, 30.0, 0), Decoded(trimmed, 7.5, 1))


PAIRS = st.lists(st.builds(pair, st.integers(1, 20), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=12)


def test_the_difference_is_of_all_words_together() -> None:
    comparison = compare([pair(10, 1, 2), pair(30, 2, 3)])

    assert comparison.recordings == 2
    assert comparison.total.full == Decoded(WordErrors(40, substituted=3), 60.0, 0)
    assert comparison.total.trimmed == Decoded(WordErrors(40, substituted=5), 15.0, 2)
    assert comparison.total.full.wrong_percent == pytest.approx(7.5)
    assert comparison.difference_points == pytest.approx(5.0)


@given(st.lists(st.builds(lambda words, wrong: pair(words, wrong, wrong), st.integers(1, 20), st.integers(0, 20))))
def test_windows_that_are_alike_differ_by_nothing(pairs: list[Pair]) -> None:
    comparison = compare([*pairs, pair(5, 1, 1)])

    assert (comparison.least_points, comparison.difference_points, comparison.most_points) == (0.0, 0.0, 0.0)


@given(PAIRS)
def test_no_difference_is_beyond_that_of_the_recordings(pairs: list[Pair]) -> None:
    comparison = compare(pairs)

    of_each = [100 * each.more_wrong / each.full.errors.words for each in pairs]
    assert min(of_each) - 1e-9 <= comparison.least_points <= comparison.most_points <= max(of_each) + 1e-9
    assert min(of_each) - 1e-9 <= comparison.difference_points <= max(of_each) + 1e-9


@given(PAIRS)
def test_the_interval_is_mirrored_when_the_windows_are_exchanged(pairs: list[Pair]) -> None:
    comparison = compare(pairs)
    exchanged = compare([Pair(each.trimmed, each.full) for each in pairs])

    assert exchanged.least_points == pytest.approx(-comparison.most_points)
    assert exchanged.most_points == pytest.approx(-comparison.least_points)


@given(PAIRS)
def test_the_same_recordings_give_the_same_interval(pairs: list[Pair]) -> None:
    assert compare(pairs) == compare(pairs)


def test_more_recordings_of_the_same_kind_make_the_interval_narrower() -> None:
    some = [pair(10, 1, 2), pair(10, 1, 0), pair(10, 1, 1), pair(10, 1, 1)]
    few, many = compare(some * 10), compare(some * 90)

    assert many.most_points - many.least_points == pytest.approx((few.most_points - few.least_points) / 3, rel=0.1)


def test_the_interval_is_that_of_the_normal_distribution_where_recordings_are_many() -> None:
    comparison = compare([pair(10, 0, 1), pair(10, 1, 0)] * 200)

    half = 1.96 * 10 / 20  # the difference of one recording is ±10 points, and there are 400
    assert comparison.least_points == pytest.approx(-half, rel=0.05)
    assert comparison.most_points == pytest.approx(half, rel=0.05)


def test_too_few_recordings_decide_nothing() -> None:
    comparison = compare([pair(15, 1, 1)] * 37)

    assert comparison.verdict is Verdict.UNDECIDED
    assert advice(comparison) == "too few to decide: 37 of at least 100 recordings"


def test_windows_as_right_as_full_ones_are_recommended_with_their_setting() -> None:
    comparison = compare([pair(15, 1, 1)] * MIN_RECORDINGS)

    assert comparison.verdict is Verdict.TRIMMED
    assert 'trimmed windows are as right with this model: set engine.final_window = "trimmed"' in advice(comparison)


def test_full_windows_are_kept_where_trimmed_ones_may_be_worse() -> None:
    comparison = compare([pair(15, 1, 1)] * (MIN_RECORDINGS - 1) + [pair(15, 0, 15)])

    assert comparison.difference_points == pytest.approx(1.0)
    assert comparison.verdict is Verdict.FULL
    assert advice(comparison).startswith("keep full windows: ")
    assert "more recordings" not in advice(comparison)


def test_more_recordings_are_asked_for_where_only_the_interval_is_too_wide() -> None:
    comparison = compare([pair(15, 0, 3), pair(15, 3, 0)] * MIN_RECORDINGS)

    assert comparison.difference_points == 0.0
    assert comparison.verdict is Verdict.FULL
    assert advice(comparison).endswith("; more recordings may show less")


@pytest.mark.parametrize(
    ("more_wrong", "verdict"), [(1, Verdict.TRIMMED), (2, Verdict.FULL), (-5, Verdict.TRIMMED)], ids=str
)
def test_half_a_point_more_is_the_limit(more_wrong: int, verdict: Verdict) -> None:
    """Each recording differs by as much, so that the interval is a point."""
    comparison = compare([pair(200, 10, 10 + more_wrong)] * MIN_RECORDINGS)

    assert comparison.verdict is verdict
