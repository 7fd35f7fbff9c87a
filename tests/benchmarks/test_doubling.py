"""Which phrases count as doubled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.doubling import doubled_phrases, spelled_words

SAID = "The stale smell of old beer lingers. It takes heat to bring out the odor. Three, eight, eight, six."


def doubled(*finals: str, said: str = SAID) -> list[str]:
    return doubled_phrases(finals, spelled_words(said))


def test_what_is_written_as_it_was_said_has_no_doubled_phrase() -> None:
    assert doubled(SAID) == []


@pytest.mark.parametrize(
    ("finals", "phrases"),
    [
        (["The stale smell of old beer lingers. The stale smell of old beer lingers.", "It takes heat"], 1),
        (["The stale smell of old beer lingers.", "the stale smell of old beer lingers", "It takes heat"], 1),
        (["The stale smell of old beer", "smell of old beer lingers."], 1),
        (["The stale smell of old beer lingers. " * 3], 2),
        (["The stale smell of old beer lingers.", "3886. Three, eight, eight, six."], 1),
    ],
)
def test_a_phrase_that_was_said_once_and_is_written_again_is_doubled(finals: list[str], phrases: int) -> None:
    assert len(doubled(*finals)) == phrases


def test_a_short_sentence_counts_as_a_phrase_and_two_words_within_one_do_not() -> None:
    said = "Ever tried. Ever failed. No matter."
    assert doubled("Ever tried. Ever tried. Ever failed.", said=said) == ["ever tried"]
    assert doubled("Ever tried, ever tried and failed.", said=said) == []


@pytest.mark.parametrize(
    "said",
    [
        "five five five five five five three",
        "No. No. Of course it is. Of course it is.",
        "it was the best of times it was the worst of times",
    ],
)
def test_what_is_really_said_twice_is_not_counted(said: str) -> None:
    assert doubled(said, said=said) == []


def test_what_only_looks_doubled_because_words_between_are_lost_is_not_counted() -> None:
    said = "it was the age of wisdom it was the age of foolishness"
    assert doubled("it was the age of it was the age of foolishness", said=said) == []


@given(st.lists(st.sampled_from(["red", "green", "blue"]), max_size=24))
def test_the_truth_is_never_doubled_however_often_it_repeats_itself(words: list[str]) -> None:
    assert doubled_phrases([" ".join(words)], words) == []


@given(before=st.integers(0, 3), copies=st.integers(2, 4))
def test_each_surplus_copy_is_counted_once(before: int, copies: int) -> None:
    rest = ["so", "much", "the", "better"]
    phrase = ["hot", "cross", "bun"]
    written = " ".join(rest[:before] + phrase * copies + rest[before:])
    assert doubled_phrases([written], rest[:before] + phrase + rest[before:]) == ["hot cross bun"] * (copies - 1)
