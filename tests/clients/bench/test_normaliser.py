"""The forms in which words are compared."""

import sys

import pytest

from clients.bench.normaliser import (
    BenchExtraMissing,
    bench_library,
    comparable,
    is_unspaced,
    normaliser_name,
    normaliser_sha256,
    plain_form,
    scored_words,
    tokens,
)


@pytest.mark.parametrize("text", ["123", "1-2-3", "1 2 3", "one two three", "One, two... three!", "12 three"])
def test_digits_are_compared_one_by_one_however_they_are_grouped(text: str) -> None:
    assert scored_words(text, "en") == ["1", "2", "3"]
    assert list(comparable(text.split(), "en").words) == ["1", "2", "3"]


@pytest.mark.parametrize("text", ["36", "thirty six", "thirty-six", "3 6"])
def test_spelled_tens_equal_their_digits(text: str) -> None:
    assert scored_words(text, "en") == ["3", "6"]
    assert list(comparable(text.split(), "en").words) == ["3", "6"]


def test_tens_by_themselves_keep_their_zero() -> None:
    assert comparable(["twenty"], "en").words == ("2", "0")
    assert comparable(["twenty", "apples"], "en").words == ("2", "0", "apples")
    assert comparable(["twenty", "5"], "en").words == ("2", "0", "5")
    assert comparable(["twenty", "twenty"], "en").words == ("2", "0", "2", "0")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Colour", "color"),
        ("won't", "will not"),
        ("one hundred and five", "105"),
        ("twenty dollars", "$20"),
        ("1", "one"),
    ],
)
def test_english_spellings_are_equal(one: str, other: str) -> None:
    assert scored_words(one, "en-US") == scored_words(other, "en")


def test_every_part_of_a_word_names_the_word_it_comes_from() -> None:
    parts = comparable(["Um,", "don't", "–", "stop!"], "en")

    assert parts.words == ("do", "not", "stop")
    assert parts.sources == (1, 1, 3)


def test_other_languages_lose_case_and_punctuation_only() -> None:
    assert scored_words("Über-gut: 12 Straßen", "de") == ["über", "gut", "1", "2", "straßen"]
    assert scored_words("हिन्दी", "hi") == ["हिन्दी"]
    assert scored_words("Fünf, um", None) == ["fünf", "um"]


def test_scripts_without_spaces_are_compared_by_characters() -> None:
    assert scored_words("你好,12。", "zh") == ["你", "好", "1", "2"]
    assert is_unspaced("zh-TW")
    assert not is_unspaced(None)


def test_tokens_carry_the_index_of_their_end() -> None:
    assert tokens(" one  two", "en") == [("one", 4), ("two", 9)]
    assert tokens("你 好", "zh") == [("你", 1), ("好", 3)]


def test_displays_are_compared_without_case_and_punctuation() -> None:
    assert plain_form("“Don’t!”") == plain_form("don't") == "dont"
    assert plain_form("Straße") == "strasse"
    assert plain_form("हिन्दी।") == "हिन्दी"
    assert plain_form("–") == plain_form("\u0301") == ""


def test_the_normaliser_is_named_with_its_version_and_its_rules() -> None:
    assert normaliser_name().startswith("whisper-normalizer 0.")
    assert len(normaliser_sha256()) == 64


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "whisper_normalizer", None)

    with pytest.raises(
        BenchExtraMissing, match=r"livecue bench needs whisper-normalizer: pip install 'livecue\[bench\]'"
    ):
        bench_library("whisper_normalizer")
