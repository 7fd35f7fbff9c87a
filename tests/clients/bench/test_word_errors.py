"""Errors of words and characters."""

from hypothesis import given
from hypothesis import strategies as st

from clients.bench.result import Errors
from clients.bench.word_errors import NO_ERRORS, count_errors, summed_errors
from gateway.cli import word_errors

LETTERS = st.lists(st.sampled_from(["a", "b", "cd"]), max_size=6)


def test_each_kind_of_error_is_counted() -> None:
    assert count_errors(["red", "blue", "pink"], ["red", "new", "pink", "gray"]) == Errors(
        3, 1, 1, 0, 2 / 3, 11, 8, 8 / 11
    )
    assert count_errors(["red", "blue"], ["blue"]).deleted == 1


def test_spaces_are_no_characters() -> None:
    assert count_errors(["every", "day"], ["everyday"]).character_errors == 0


def test_without_a_reference_there_are_no_rates() -> None:
    assert count_errors([], ["red"]) == Errors(0, 0, 1, 0, None, 0, 3, None)
    assert count_errors([], []) == summed_errors([]) == NO_ERRORS


def test_errors_of_several_transcripts_are_summed() -> None:
    one, other = count_errors(["a"], ["b"]), count_errors(["a", "bc", "d"], ["a", "bc", "d", "e"])

    assert summed_errors([one, other]) == Errors(4, 1, 1, 0, 0.5, 5, 2, 0.4)


@given(LETTERS, LETTERS)
def test_errors_are_the_fewest_there_can_be(reference: list[str], transcript: list[str]) -> None:
    errors = count_errors(reference, transcript)

    assert (
        errors.substituted + errors.inserted + errors.deleted == word_errors.count_errors(reference, transcript).wrong
    )
    assert len(reference) - errors.deleted + errors.inserted == len(transcript)
