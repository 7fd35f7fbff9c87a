"""Which phrases count as doubled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.doubling import doubled_phrases, spelled_words

SPOKEN = "The stale smell of old beer lingers. It takes heat to bring out the odor. Three, eight, eight, six."


def doubled(*finals: str, spoken: str = SPOKEN) -> list[str]:
    return doubled_phrases(finals, spelled_words(spoken))


def test_a_correct_transcript_has_no_doubled_phrase() -> None:
    assert doubled(SPOKEN) == []


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
def test_a_phrase_spoken_once_and_written_twice_is_doubled(finals: list[str], phrases: int) -> None:
    assert len(doubled(*finals)) == phrases


def test_a_short_sentence_counts_as_a_phrase_but_two_words_do_not() -> None:
    spoken = "Ever tried. Ever failed. No matter."
    assert doubled("Ever tried. Ever tried. Ever failed.", spoken=spoken) == ["ever tried"]
    assert doubled("Ever tried, ever tried and failed.", spoken=spoken) == []


@pytest.mark.parametrize(
    "spoken",
    [
        "five five five five five five three",
        "No. No. Of course it is. Of course it is.",
        "it was the best of times it was the worst of times",
    ],
)
def test_phrases_spoken_twice_are_not_counted(spoken: str) -> None:
    assert doubled(spoken, spoken=spoken) == []


def test_phrases_adjacent_because_of_lost_words_are_not_counted() -> None:
    spoken = "it was the age of wisdom it was the age of foolishness"
    assert doubled("it was the age of it was the age of foolishness", spoken=spoken) == []


@given(st.lists(st.sampled_from(["red", "green", "blue"]), max_size=24))
def test_a_correct_transcript_is_never_doubled(words: list[str]) -> None:
    assert doubled_phrases([" ".join(words)], words) == []


@given(before=st.integers(0, 3), copies=st.integers(2, 4))
def test_each_surplus_copy_is_counted_once(before: int, copies: int) -> None:
    rest = ["so", "much", "the", "better"]
    phrase = ["hot", "cross", "bun"]
    written = " ".join(rest[:before] + phrase * copies + rest[before:])
    assert doubled_phrases([written], rest[:before] + phrase + rest[before:]) == ["hot cross bun"] * (copies - 1)
