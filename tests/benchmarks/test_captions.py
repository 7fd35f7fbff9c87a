"""What the quality benchmark counts, by examples made by hand."""

import pytest

from benchmarks.captions import (
    Display,
    aligned,
    committed_s,
    displays,
    erased_words,
    first_shown_s,
    unstable_words,
    word_errors,
)
from benchmarks.virtual import Said
from gateway.wire import Cue, CueEvent, CueState


def series(*shown: tuple[float, str, int]) -> list[Display]:
    return [Display(at_s, tuple(text.split()), stable) for at_s, text, stable in shown]


def cue(number: int, *lines: str, stable: str = "", state: CueState = CueState.PARTIAL) -> CueEvent:
    return CueEvent(0, Cue(f"1.{number}", 1, 1, 0, 100, lines, len(stable), state))


def test_nothing_is_erased_while_words_are_only_added() -> None:
    shown = series((1, "one", 0), (2, "one two", 1), (3, "one two three", 3))

    assert erased_words(shown) == unstable_words(shown) == 0


def test_a_changed_word_erases_those_after_it() -> None:
    shown = series((1, "one two three", 0), (2, "one too three four", 0))

    assert erased_words(shown) == 2
    assert unstable_words(shown) == 1


def test_words_taken_away_are_erased_and_unstable() -> None:
    shown = series((1, "one two three", 0), (2, "one", 0), (3, "", 0))

    assert erased_words(shown) == unstable_words(shown) == 3


def test_a_word_is_first_shown_when_it_comes_to_stay() -> None:
    shown = series((1, "one two", 0), (2, "one too", 0), (3, "one two three", 3))

    assert first_shown_s(shown) == [1, 3, 3]


def test_a_word_at_another_place_is_not_there_yet() -> None:
    shown = series((1, "two three", 0), (2, "one two three", 3))

    assert first_shown_s(shown) == [2, 2, 2]


def test_a_word_is_committed_when_it_is_promised() -> None:
    shown = series((1, "one two", 0), (2, "one two three", 2), (3, "one two three four", 4))

    assert committed_s(shown) == [2, 2, 3, 3]


def test_a_promise_that_the_final_takes_back_committed_no_word() -> None:
    shown = series((1, "one too", 2), (2, "one too three", 3), (3, "one two three", 3))

    assert committed_s(shown) == [1, 3, 2]


def test_an_utterance_without_words_has_no_lags() -> None:
    shown = series((1, "one", 0), (2, "", 0))

    assert first_shown_s(shown) == committed_s(shown) == []


def test_cues_of_one_moment_make_one_display() -> None:
    first = Said(1.0, (cue(1, "one two"),))
    second = Said(2.0, (cue(1, "one two", stable="one two"), cue(2, "three four", "five", stable="three")))

    assert displays([first, second]) == {
        1: series((1.0, "one two", 0), (2.0, "one two three four five", 3)),
    }


def test_words_after_an_unstable_one_are_not_stable() -> None:
    [display] = displays([Said(1.0, (cue(1, "one two", stable="one"), cue(2, "three", stable="three")))])[1]

    assert display.stable == 1


def test_a_final_cue_is_stable_whatever_it_says() -> None:
    [display] = displays([Said(1.0, (cue(1, "one two", state=CueState.FINAL),))])[1]

    assert display.stable == 2


def test_withdrawn_cues_are_empty() -> None:
    shown = displays([Said(1.0, (cue(1, "one"),)), Said(2.0, (cue(1),))])

    assert shown == {1: series((1.0, "one", 0), (2.0, "", 0))}


def test_words_are_aligned_with_the_fewest_changes() -> None:
    assert aligned(["one", "two", "three"], ["one", "three", "four"]) == [(0, 0), (1, None), (2, 1), (None, 2)]
    assert aligned([], ["one"]) == [(None, 0)]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [("", "", 0), ("one two", "one two", 0), ("one two", "one too", 1), ("one", "one one", 1), ("one two", "", 2)],
)
def test_word_errors_are_wrong_missing_and_surplus_words(reference: str, hypothesis: str, errors: int) -> None:
    assert word_errors(reference.split(), hypothesis.split()) == errors
