"""Spoken words and what was written in their places."""

import pytest

from clients.bench.matched_words import Matches, match_words, utterances
from clients.bench.trace import Observed
from clients.bench.word_timeline import WordTimeline
from tests.clients.bench.observing import final, partial, reference


def matches(spoken: str, *transcripts: Observed, has_times: bool = True) -> Matches:
    return match_words(reference(spoken, has_times=has_times), WordTimeline(transcripts, "en").final_segments)


def test_a_word_of_several_parts_has_the_times_of_the_last() -> None:
    [word] = matches("twenty-one", final(2, "2", "a"), final(3, "1", "b")).words

    assert word.compared == ("2", "1")
    assert word.is_right
    assert (word.shown_s, word.committed_s, word.final_s) == (3, 3, 3)


def test_a_word_is_wrong_if_a_part_of_it_is_missing() -> None:
    [word] = matches("twenty-one", final(3, "2")).words

    assert not word.is_right
    assert (word.shown_s, word.committed_s, word.final_s) == (None, None, 3)


@pytest.mark.parametrize("written", ["thirty six", "36", "3 6", "thirty-six"])
def test_numbers_are_right_however_they_are_written(written: str) -> None:
    assert all(word.is_right for word in matches("thirty six", final(3, written)).words)


def test_what_was_displayed_before_a_word_began_is_not_its_first_display() -> None:
    _, word = matches("red blue", partial(1.2, "red new"), partial(1.9, "red you"), final(3, "red blue")).words

    assert (word.spoken.start_s, word.first_shown_s, word.shown_s) == (1.5, 1.9, 3)


def test_a_word_right_before_it_began_by_the_reference_was_first_shown_then() -> None:
    word = matches("red blue", partial(1.4, "red blue"), final(3, "red blue")).words[1]

    assert word.first_shown_s == word.shown_s == 1.4


def test_each_final_ends_with_the_last_word_in_it() -> None:
    found = matches("red blue pink", final(3, "red blue so", "a"), final(4, "", "b"), final(5, "pink", "c"))

    assert found.segment_ends == (1, None, 2)
    assert [part.text for part in found.surplus] == ["so"]


def test_without_times_words_are_aligned_by_their_texts() -> None:
    found = matches("red blue red", final(0, "red"), has_times=False)

    assert [word.is_right for word in found.words] == [True, False, False]


def test_pauses_separate_utterances() -> None:
    words = matches("red blue | pink").words

    assert [[word.spoken.text for word in utterance] for utterance in utterances(words)] == [["red", "blue"], ["pink"]]
    assert utterances([]) == []
