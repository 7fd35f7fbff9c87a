"""Which words of a transcript count as wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.captions import word_errors
from gateway.cli.word_errors import WordErrors, count_errors, scored_words

WORDS = st.lists(st.sampled_from(["yes", "no", "well"]), max_size=7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("And so, my fellow Americans: ask!", ["and", "so", "my", "fellow", "americans", "ask"]),
        ("an ill-disposed man – either/or", ["an", "ill", "disposed", "man", "either", "or"]),
        ("Don’t, don't", ["dont", "dont"]),
        ("ＡＢＣ １２", ["abc", "1", "2"]),
        ("call 555-0199 or 5550199", ["call", *"5550199", "or", *"5550199"]),
        ("今天天气好。OK", ["今", "天", "天", "气", "好", "ok"]),
        ("안녕 하세요", ["안녕", "하세요"]),
        ("Straße", ["strasse"]),
        (" … – !", []),
        ("", []),
    ],
)
def test_words_are_compared_without_case_and_punctuation(text: str, words: list[str]) -> None:
    assert scored_words(text) == words


@pytest.mark.parametrize(
    ("reference", "transcript", "errors"),
    [
        ("ask not what", "ask not what", WordErrors(3)),
        ("ask not what", "ask now what", WordErrors(3, substituted=1)),
        ("ask not what", "ask what", WordErrors(3, deleted=1)),
        ("ask not what", "ask not what what", WordErrors(3, inserted=1)),
        ("ask not what", "", WordErrors(3, deleted=3)),
        ("", "thank you", WordErrors(0, inserted=2)),
        ("", "", WordErrors(0)),
    ],
)
def test_errors_are_told_apart(reference: str, transcript: str, errors: WordErrors) -> None:
    assert count_errors(reference.split(), transcript.split()) == errors


@given(WORDS, WORDS)
def test_errors_are_the_fewest_there_can_be(reference: list[str], transcript: list[str]) -> None:
    assert count_errors(reference, transcript).wrong == word_errors(reference, transcript)


@given(WORDS, WORDS)
def test_every_word_of_both_texts_is_right_or_an_error_of_its_kind(reference: list[str], transcript: list[str]) -> None:
    errors = count_errors(reference, transcript)

    right = len(reference) - errors.substituted - errors.deleted
    assert right >= 0
    assert right + errors.substituted + errors.inserted == len(transcript)


@given(WORDS, WORDS)
def test_what_is_inserted_one_way_is_deleted_the_other(reference: list[str], transcript: list[str]) -> None:
    one, other = count_errors(reference, transcript), count_errors(transcript, reference)

    assert one.wrong == other.wrong
    assert one.inserted - one.deleted == other.deleted - other.inserted


def test_errors_add_up() -> None:
    assert WordErrors(4, 1, 2, 3) + WordErrors(6, 1, 1, 1) == WordErrors(10, 2, 3, 4)
    assert WordErrors(10, 2, 3, 4).wrong == 9
