"""The script of the self-test: its messages are in order, and its figures are those of its flaws."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.bench.self_test_script import percentile, silence_script, speech_script


def texts(segment: str) -> list[str]:
    script = speech_script(lambda: 0.0)
    return [each.transcript.text for each in script.messages if each.transcript.segment == segment]


def test_each_utterance_has_its_flaw() -> None:
    assert texts("0.0")[-2:] == [
        "apple river stone umbrella garden window silver",
        "Apple river stone umbrella garden window silver.",
    ]
    assert texts("1.0")[2:4] == ["market bridge umbrella", "market bridge yellow forest"]
    assert texts("1.0")[-2:] == [
        "market bridge yellow forest animal winter umbrella",
        "Market bridge yellow forest animal winter table.",
    ]
    assert texts("2.0")[-1] == "Doctor island mirror carpet."
    assert texts("2.1") == ["planet", "planet orange", "Planet orange."]
    assert texts("3.0")[-1] == "Pencil summer castle dragon dragon engine finger guitar."
    assert texts("4.0")[-2:] == [
        "hammer insect jacket kitchen lemon monkey needle",
        "Hammer insect jacket kitchen lemon monkey.",
    ]


def test_the_newest_word_is_not_promised() -> None:
    script = speech_script(lambda: 0.0)
    third = script.messages[2].transcript
    assert third.committed_chars is not None
    assert third.text[: third.committed_chars] == "apple river"


def test_without_jitter_the_lags_are_those_of_the_script() -> None:
    expected = speech_script(lambda: 0.0).expected
    assert {round(lag_s, 6) for lag_s in expected.first_shown_s} == {0.3}
    assert sorted({round(lag_s, 6) for lag_s in expected.shown_s}) == [0.3, 0.6, 0.65]
    assert {round(lag_s, 6) for lag_s in expected.final_s} == {0.6}
    assert {round(lag_s, 6) for lag_s in expected.first_partial_s} == {0.6}
    assert {round(lag_s, 6) for lag_s in expected.update_gap_s} == {0.35}
    assert len(expected.word_final_s) == len(expected.committed_s) == len(expected.shown_s) == 32


def test_the_counts_are_those_of_the_flaws() -> None:
    expected = speech_script(lambda: 0.0).expected
    assert (expected.substituted, expected.inserted, expected.deleted) == (1, 1, 2)
    assert (expected.ends_of_speech, expected.premature, expected.missing) == (5, 1, 1)
    assert (expected.erased, expected.erased_by_final, expected.withdrawn) == (1, 5, 3)


@given(st.integers())
def test_messages_are_in_order_whatever_the_jitter(seed: int) -> None:
    script = speech_script(random.Random(seed).random)
    times_s = [each.at_s for each in script.messages]
    assert times_s == sorted(times_s)
    assert times_s[-1] < script.reference.duration_s
    words = script.reference.words
    assert all(word.end_s < later.start_s for word, later in pairwise(words))


def test_words_are_invented_where_nobody_speaks() -> None:
    script = silence_script()
    assert script.reference.words == ()
    assert [each.transcript.text for each in script.messages] == ["thank you", "thank you for watching"]
    assert script.expected.invented == 4


@pytest.mark.parametrize(("share", "value"), [(0.01, 1.0), (0.5, 2.0), (0.51, 3.0), (1.0, 4.0)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value
