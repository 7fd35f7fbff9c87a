"""Word errors with one speaker and with several at once."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import scoring
from benchmarks.captions import word_errors
from benchmarks.scoring import TooManyMerges, count_errors, merge_aligned, normalised, splitter

WORDS = st.lists(st.sampled_from(["yes", "no", "well"]), max_size=6)
VOICES = st.lists(st.lists(st.sampled_from(["yes", "no", "well"]), max_size=3), max_size=2)


def merges(voices: list[list[str]]) -> set[tuple[str, ...]]:
    """Return all merges of the words that keep each person's order."""
    order = [person for person, words in enumerate(voices) for _ in words]
    found = set()
    for persons in set(permutations(order)):
        left = [iter(words) for words in voices]
        found.add(tuple(next(left[person]) for person in persons))
    return found


@given(WORDS, WORDS)
def test_errors_of_one_speaker_are_the_usual_ones(reference: list[str], transcript: list[str]) -> None:
    assert count_errors([reference], transcript) == word_errors(reference, transcript)


@given(VOICES, WORDS)
def test_errors_of_several_speakers_are_those_of_the_best_merge(voices: list[list[str]], transcript: list[str]) -> None:
    expected = min(word_errors(merge, transcript) for merge in merges(voices))

    assert count_errors(voices, transcript) == expected


@given(VOICES, WORDS)
def test_the_alignment_has_every_word_once_in_order_and_the_fewest_errors(
    voices: list[list[str]], transcript: list[str]
) -> None:
    pairs = merge_aligned(voices, transcript)

    wrong = [i is None or j is None or voices[i[0]][i[1]] != transcript[j] for i, j in pairs]
    assert sum(wrong) == count_errors(voices, transcript)
    assert [j for _, j in pairs if j is not None] == list(range(len(transcript)))
    for person, words in enumerate(voices):
        assert [i[1] for i, _ in pairs if i is not None and i[0] == person] == list(range(len(words)))


@given(VOICES, st.data())
def test_any_merge_of_the_spoken_words_is_correct(voices: list[list[str]], data: st.DataObject) -> None:
    merge = data.draw(st.sampled_from(sorted(merges(voices))))

    assert count_errors(voices, merge) == 0


def test_more_speakers_than_fit_into_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MAX_TABLE_ENTRIES", 10)

    with pytest.raises(TooManyMerges):
        count_errors([["yes", "no"], ["well"]], ["yes", "no"])


def test_english_is_scored_without_differences_of_spelling() -> None:
    assert normalised("He doesn't like 21 colours, um.", "en") == normalised("he does not like twenty one colors", "en")


def test_scripts_without_spaces_are_scored_by_characters() -> None:
    assert normalised("打开客厅的 灯。", "zh") == list("打开客厅的灯")
    assert normalised("거실 불 켜줘.", "ko") == ["거실", "불", "켜줘"]


def test_words_are_split_without_case_and_punctuation() -> None:
    assert splitter("en")("And so – my\nfellow Americans, …") == ["and", "so", "my", "fellow", "americans"]
    assert splitter("ja")("電気を\nつけて。") == list("電気をつけて")
