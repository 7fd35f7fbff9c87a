"""Displays and their measures, on hand-made examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.captions import (
    Display,
    Standing,
    aligned,
    changed_words,
    displays,
    erased_words,
    partial_displays,
    standing_since,
    word_errors,
)
from benchmarks.virtual import TimedEvents
from gateway.wire import Cue, CueEvent, CueState, Final, Latency

FINAL = Final(0, 1, 0, 100, "one two", None, Latency(0, 0, 0, 0))


def series(*shown: tuple[float, str, int]) -> list[Display]:
    return [Display(at_s, tuple(text.split()), stable) for at_s, text, stable in shown]


def cue(number: int, *lines: str, stable: str = "", state: CueState = CueState.PARTIAL) -> CueEvent:
    return CueEvent(0, Cue(f"1.{number}", 1, 1, 0, 100, lines, len(stable), state))


def test_added_words_erase_nothing() -> None:
    shown = series((1, "one", 0), (2, "one two", 1), (3, "one two three", 3))

    assert erased_words(shown) == 0


def test_a_changed_word_erases_those_after_it() -> None:
    shown = series((1, "one two three", 0), (2, "one too three four", 0))

    assert erased_words(shown) == 2


def test_removed_words_are_erased() -> None:
    shown = series((1, "one two three", 0), (2, "one", 0), (3, "", 0))

    assert erased_words(shown) == 3


def test_a_word_stands_since_its_lasting_display() -> None:
    shown = series((1, "one two", 0), (2, "one too", 0), (3, "one two three", 3))

    assert [word.shown_s for word in standing_since(shown)] == [1, 3, 3]


def test_a_moved_word_keeps_its_time() -> None:
    shown = series((1, "two three", 0), (2, "one two three", 3))

    assert [word.shown_s for word in standing_since(shown)] == [2, 1, 1]


def test_a_word_is_committed_since_it_became_stable() -> None:
    shown = series((1, "one two", 0), (2, "one two three", 2), (3, "one two three four", 4))

    assert [word.committed_s for word in standing_since(shown)] == [2, 2, 3, 3]


def test_a_revoked_commitment_does_not_count() -> None:
    shown = series((1, "one two", 2), (2, "one too", 1), (3, "one two", 2))

    assert standing_since(shown) == [Standing(1, 1), Standing(3, 3)]


def test_a_committed_word_that_moves_stays_committed() -> None:
    shown = series((1, "two", 0), (2, "two three", 1), (3, "one two three", 3))

    assert standing_since(shown) == [Standing(3, 3), Standing(1, 2), Standing(2, 3)]


def test_a_commitment_revoked_by_the_final_does_not_count() -> None:
    shown = series((1, "one too", 2), (2, "one too three", 3), (3, "one two three", 3))

    assert [word.committed_s for word in standing_since(shown)] == [1, 3, 2]


def test_an_utterance_without_words_has_no_lags() -> None:
    assert standing_since(series((1, "one", 0), (2, "", 0))) == []


def test_a_final_changes_the_words_that_it_replaces_or_omits() -> None:
    [partial] = series((1, "one too three for", 2))

    assert changed_words(partial, ["and", "one", "two", "three", "four", "five"]) == (2, 1)
    assert changed_words(partial, []) == (4, 2)
    assert changed_words(partial, partial.words) == (0, 0)


def test_displays_since_the_final_are_not_partial() -> None:
    moments = [TimedEvents(1.0, (cue(1, "one"),)), TimedEvents(2.0, (FINAL, cue(1, "one two")))]

    shown = displays(moments)[1]

    assert [display.is_final for display in shown] == [False, True]
    assert partial_displays(shown) == shown[:1]


def test_the_caller_defines_words() -> None:
    [display] = displays(
        [TimedEvents(1.0, (cue(1, "你好", "吗", stable="你"),))], lambda text: list(text.replace("\n", ""))
    )[1]

    assert display == Display(1.0, ("你", "好", "吗"), 1)


def test_cues_of_one_moment_make_one_display() -> None:
    first = TimedEvents(1.0, (cue(1, "one two"),))
    second = TimedEvents(2.0, (cue(1, "one two", stable="one two"), cue(2, "three four", "five", stable="three")))

    assert displays([first, second]) == {
        1: series((1.0, "one two", 0), (2.0, "one two three four five", 3)),
    }


def test_words_after_an_unstable_one_are_not_stable() -> None:
    [display] = displays([TimedEvents(1.0, (cue(1, "one two", stable="one"), cue(2, "three", stable="three")))])[1]

    assert display.stable == 1


def test_a_final_cue_is_always_stable() -> None:
    [display] = displays([TimedEvents(1.0, (cue(1, "one two", state=CueState.FINAL),))])[1]

    assert display.stable == 2


def test_withdrawn_cues_are_empty() -> None:
    shown = displays([TimedEvents(1.0, (cue(1, "one"),)), TimedEvents(2.0, (cue(1),))])

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


@given(st.lists(st.tuples(st.lists(st.sampled_from("abc"), max_size=5), st.integers(0, 5)), min_size=1, max_size=6))
def test_a_word_is_in_every_display_since_it_stands(shown: list[tuple[list[str], int]]) -> None:
    series = [Display(at_s, tuple(words), min(stable, len(words))) for at_s, (words, stable) in enumerate(shown)]

    since = standing_since(series)

    assert len(since) == len(series[-1].words)
    for word, standing in zip(series[-1].words, since, strict=True):
        assert standing.shown_s <= standing.committed_s <= series[-1].at_s
        assert all(word in display.words for display in series[int(standing.shown_s) :])


@given(st.lists(st.sampled_from("abc"), max_size=8), st.integers(1, 4))
def test_added_words_stand_since_they_appeared(words: list[str], step: int) -> None:
    lengths = [*range(step, len(words), step), len(words)]
    series = [Display(length, tuple(words[:length]), length) for length in lengths]

    assert erased_words(series) == 0
    assert changed_words(series[0], words) == (0, 0)
    assert all(standing.shown_s == standing.committed_s for standing in standing_since(series))
