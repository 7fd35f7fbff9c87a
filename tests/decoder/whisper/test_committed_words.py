"""Differences of a final from the words that its partials promised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.whisper.committed_words import Difference, differences

WORDS = st.lists(st.sampled_from([" one", " two,", " Two", " three.", " four"]), max_size=8)


@pytest.mark.parametrize(
    ("promised", "final", "expected"),
    [
        ("", "one two", []),
        ("one two", "one two three", []),
        ("One, two.", "one two three", []),
        ("one too", "one two three", [Difference(1, 2, (" too",))]),
        ("one blue two", "one two three", [Difference(1, 1, (" blue",))]),
        ("one two", "one blue two three", [Difference(1, 2, ())]),
        ("one two three", "one two", [Difference(2, 2, (" three",))]),
        ("wood cutters", "woodcutters of old", [Difference(0, 2, (" wood", " cutters"))]),
    ],
)
def test_differences_are_where_other_words_were_promised(promised: str, final: str, expected: list[Difference]) -> None:
    assert differences(*([f" {word}" for word in text.split()] for text in (promised, final))) == expected


@given(WORDS, WORDS)
def test_differences_are_in_order_and_within_the_final(promised: list[str], final: list[str]) -> None:
    end = 0
    for difference in differences(promised, final):
        assert end <= difference.first <= difference.end <= len(final)
        assert difference.promised or difference.end > difference.first
        end = difference.end


@given(WORDS, WORDS)
def test_a_final_that_goes_on_from_the_promised_words_has_no_difference(promised: list[str], more: list[str]) -> None:
    assert differences(promised, promised + more) == []
