"""Ends of speech and the finals that answer them."""

from clients.bench.final_answers import FinalAnswers, final_answers
from clients.bench.matched_words import match_words
from clients.bench.reference import Reference, ReferenceWord, with_ends_of_speech
from clients.bench.result import Finals
from clients.bench.trace import Cut, Observed
from clients.bench.word_timeline import WordTimeline
from tests.clients.bench.observing import final, reference


def answers(spoken: str, *finals: Observed, cuts: tuple[Cut, ...] = ()) -> FinalAnswers:
    return final_answers(match_words(reference(spoken), WordTimeline(finals, "en").final_segments), cuts, 0.3)


def test_an_end_of_speech_is_answered_by_the_final_with_its_last_word() -> None:
    found = answers("red blue | pink gray", final(2.5, "red blue"), final(5, "pink gray", "b"))

    assert found == FinalAnswers((0.5, 1.0), Finals(2, 2, 0, 0))


def test_one_final_may_answer_two_ends_of_speech() -> None:
    assert answers("red | pink", final(4, "red pink")) == FinalAnswers((2.5, 1.0), Finals(2, 2, 0, 0))


def test_a_final_that_splits_an_utterance_is_premature() -> None:
    found = answers("red blue pink gray", final(2.25, "red blue"), final(4, "pink gray", "b"))

    assert found.finals == Finals(1, 1, 1, 0)


def test_a_late_final_that_splits_an_utterance_is_premature_too() -> None:
    assert answers("red blue pink", final(9, "red"), final(9.5, "blue pink", "b")).finals.premature == 1


def test_a_final_before_the_next_word_is_over_is_premature_even_if_nothing_follows() -> None:
    assert answers("red blue pink", final(1.75, "red")).finals == Finals(1, 0, 1, 1)


def test_a_final_without_the_last_words_is_not_premature() -> None:
    assert answers("red blue pink | gray", final(3, "red"), final(9, "gray", "b")).finals == Finals(2, 1, 0, 1)


def test_a_final_in_a_pause_is_not_premature() -> None:
    assert answers("red | blue", final(2, "red"), final(4, "blue", "b")).finals.premature == 0


def test_a_short_pause_is_pause_enough_for_a_final() -> None:
    words = with_ends_of_speech([ReferenceWord("red", 1, 1.5), ReferenceWord("blue", 1.9, 2.4)])
    timeline = WordTimeline([final(1.7, "red"), final(3, "blue", "b")], "en")
    matches = match_words(Reference("talk", "en", 3.0, words), timeline.final_segments)

    assert final_answers(matches, (), premature_pause_s=0.3).finals == Finals(1, 1, 0, 0)
    assert final_answers(matches, (), premature_pause_s=0.5).finals == Finals(1, 1, 1, 0)


def test_a_final_without_spoken_words_ends_nowhere() -> None:
    assert answers("red blue", final(2, "red blue", "a"), final(0.1, "so", "b")).finals == Finals(1, 1, 0, 0)


def test_a_final_at_a_cut_is_not_premature() -> None:
    finals = (final(2.25, "red blue"), final(4, "pink gray", "b"))

    assert answers("red blue pink gray", *finals, cuts=(Cut(2.1, 2.2, resumed=False),)).finals.premature == 0
    assert answers("red blue pink gray", *finals, cuts=(Cut(3.0, 3.2, resumed=False),)).finals.premature == 1
