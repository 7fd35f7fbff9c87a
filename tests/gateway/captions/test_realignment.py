"""The times of a corrected text: unchanged words keep theirs, others share the time between them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.types import Word
from gateway.captions.realignment import realigned, words_of
from gateway.wire import Cue, CueState, Final, Latency, WordSpan

FINAL = Final(9, 0, 1_000, 9_000, "one two three", "en", Latency(0, 0, 0, 0))

BEFORE = (Word("one", 2_000, 3_000, 0.9), Word(" two", 3_000, 5_000, 0.8), Word(" three", 6_000, 8_000))


def cue(number: int, start: int, end: int, *lines: str) -> Cue:
    return Cue(f"0.{number}", 0, 1, start, end, lines, 0, CueState.FINAL)


def times(text: str, before: tuple[Word, ...] = BEFORE) -> list[tuple[str, int, int]]:
    words = realigned(text, before, FINAL.start_sample, FINAL.end_sample)
    return [(word.text, word.start_sample, word.end_sample) for word in words]


def test_words_that_differ_in_case_and_punctuation_keep_their_times_and_probability() -> None:
    assert realigned("One, two three.", BEFORE, 0, 9_000) == (
        Word("One,", 2_000, 3_000, 0.9),
        Word(" two", 3_000, 5_000, 0.8),
        Word(" three.", 6_000, 8_000, None),
    )


def test_a_replaced_word_takes_the_time_of_the_word_before() -> None:
    assert times("one too three")[1] == (" too", 3_000, 5_000)
    assert realigned("one too three", BEFORE, 0, 9_000)[1].probability is None


def test_replaced_words_share_the_time_in_proportion_to_their_length() -> None:
    assert times("one ab abcdefg three")[1:3] == [(" ab", 3_000, 3_545), (" abcdefg", 3_545, 5_000)]


def test_added_words_take_the_time_between_their_neighbours() -> None:
    assert times("one two and three")[2] == (" and", 5_000, 6_000)
    assert times("one and two three")[1] == (" and", 3_000, 3_000), "there is no pause between these"


def test_words_added_at_the_ends_take_the_rest_of_the_utterance() -> None:
    assert times("so one two three then")[0] == ("so", 1_000, 2_000)
    assert times("one two three then")[3] == (" then", 8_000, 9_000)


def test_words_beyond_the_utterance_leave_no_time_for_those_added_before_and_after() -> None:
    words = (Word("one", 500, 900), Word(" two", 900, 9_500))
    assert times("so one two then", words) == [
        ("so", 500, 500),
        (" one", 500, 900),
        (" two", 900, 9_500),
        (" then", 9_000, 9_000),
    ]


def test_a_deleted_word_leaves_the_others_where_they_are() -> None:
    assert times("one three") == [("one", 2_000, 3_000), (" three", 6_000, 8_000)]
    assert times("") == []


def test_words_where_there_were_none_share_the_utterance() -> None:
    assert times("ab cd", ()) == [("ab", 1_000, 4_200), (" cd", 4_200, 9_000)]


def test_text_without_spaces_is_aligned_by_character() -> None:
    before = words_of(replace(FINAL, text="今日は雨"), [cue(1, 1_000, 5_000, "今日は雨")])
    assert times("今日も雨", before) == [
        ("今", 1_000, 2_000),
        ("日", 2_000, 3_000),
        ("も", 3_000, 4_000),
        ("雨", 4_000, 5_000),
    ]


def test_the_words_of_a_final_are_as_the_engine_timed_them() -> None:
    final = replace(FINAL, words=(WordSpan("one", 2_000, 3_000, 0.9), WordSpan("two", 3_000, 5_000, None)))
    assert words_of(final, [cue(1, 0, 9_000, "one two")]) == (Word("one", 2_000, 3_000, 0.9), Word("two", 3_000, 5_000))


def test_without_times_of_words_those_of_a_cue_share_its_time_up_to_the_end_of_speech() -> None:
    words = words_of(FINAL, [cue(1, 2_000, 5_000, "one", "two"), cue(2, 6_000, 16_000, "three")])
    assert [(word.text, word.start_sample, word.end_sample) for word in words] == [
        ("one", 2_000, 3_500),
        (" two", 3_500, 5_000),
        ("three", 6_000, 9_000),
    ]


def test_without_cues_words_share_the_time_of_the_utterance() -> None:
    assert [word.start_sample for word in words_of(replace(FINAL, text="one two"), ())] == [1_000, 5_000]
    assert words_of(replace(FINAL, text=""), ()) == ()


@given(st.lists(st.sampled_from("abcd"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
def test_words_stay_in_order_and_none_is_lost(before: list[str], after: list[str]) -> None:
    known = tuple(Word(text, 1_000 + 500 * index, 1_400 + 500 * index) for index, text in enumerate(before))
    words = realigned(" ".join(after), known, 1_000, 8_000)
    assert [word.text.strip() for word in words] == after
    edges = [edge for word in words for edge in (word.start_sample, word.end_sample)]
    assert edges == sorted(edges)
    assert all(1_000 <= edge <= 8_000 for edge in edges)


@pytest.mark.parametrize("count", [1, 400])
def test_a_text_of_any_length_is_aligned(count: int) -> None:
    assert len(times("word " * count)) == count
