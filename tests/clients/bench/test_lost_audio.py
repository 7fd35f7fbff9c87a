"""The audit of lost audio."""

import pytest

from clients.bench.lost_audio import unanswered_stretches
from clients.bench.matched_words import MatchedWord, match_words
from clients.bench.word_timeline import WordTimeline
from tests.clients.bench.observing import final, reference


def matched(spoken: str, written: str) -> tuple[MatchedWord, ...]:
    timeline = WordTimeline([final(60, written)], "en")
    return match_words(reference(spoken), timeline.final_segments).words


def lengths_s(spoken: str, written: str) -> list[float]:
    return [length_s for _, length_s in unanswered_stretches(matched(spoken, written), 2.0, 3)]


def test_a_few_lost_words_are_errors_but_no_lost_audio() -> None:
    assert lengths_s("red blue pink gray", "red gray") == []


def test_three_lost_words_are_a_stretch() -> None:
    [(stretch, length_s)] = unanswered_stretches(matched("red a b c gray", "red gray"), 2.0, 3)

    assert (stretch.start_s, stretch.end_s, stretch.words, length_s) == (1.5, 3, 3, 1.5)


def test_long_lost_speech_is_a_stretch_of_any_number_of_words() -> None:
    assert [length_s for _, length_s in unanswered_stretches(matched("red a b gray", "red gray"), 1.0, 9)] == [1.0]


def test_pauses_are_no_lost_speech() -> None:
    assert lengths_s("red a | b gray", "red gray") == []
    assert lengths_s("red a | b c gray", "red gray") == [pytest.approx(1.5)]


def test_wrong_words_are_an_answer() -> None:
    assert lengths_s("red a b c gray", "red x y z gray") == []


def test_every_stretch_is_reported() -> None:
    assert lengths_s("a b c red d e f", "red") == [1.5, 1.5]
