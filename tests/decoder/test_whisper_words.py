"""Tokens made into words, and words put on the time line."""

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from decoder.engines._whisper_plan import FULL_WINDOW_FRAMES, padded_log_mel, runs, token_limit
from decoder.engines._whisper_words import (
    Spelling,
    align_words,
    join_punctuation,
    keep_order,
    spread_words,
    token_starts,
)
from decoder.types import Word
from tests.sounds import silence, speechlike
from vad.audio import SAMPLE_RATE_HZ, Float32


def spelled(*texts: str) -> list[Spelling]:
    """Return the texts as words of one token each."""
    return [Spelling(text, place, place + 1) for place, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ((" Hello", ",", " world", "!"), [" Hello,", " world!"]),
        ((" he", " said", ' "', "Stop", '."'), [" he", " said", ' "Stop."']),
        ((" (", "maybe", ")", "?"), [" (maybe)?"]),
        (("你", "好", "。"), ["你", "好。"]),
        ((" wait", " ", "."), [" wait."]),
        ((",", " and"), [",", " and"]),
        ((" end", " ("), [" end", " ("]),
        ((), []),
    ],
)
def test_punctuation_joins_the_word_it_belongs_to(pieces: tuple[str, ...], words: list[str]) -> None:
    assert [word.text for word in join_punctuation(spelled(*pieces))] == words


def test_joined_punctuation_takes_no_time() -> None:
    words = join_punctuation(spelled(" one", ",", " two"))

    aligned = align_words(words, [0, 100, 5_000, 5_100], [0.5, 0.1, 1.0])

    assert [(word.start_sample, word.end_sample, word.probability) for word in aligned] == [
        (0, 100, 0.5),
        (5_000, 5_100, 1.0),
    ]


def test_first_word_does_not_take_the_silence_before_it() -> None:
    words = spelled(" one", " two", " three")

    aligned = align_words(words, [0, 10_000, 11_000, 12_000], [1.0] * 3)

    assert [(word.start_sample, word.end_sample) for word in aligned] == [
        (8_000, 10_000),
        (10_000, 11_000),
        (11_000, 12_000),
    ]


def test_words_are_spread_by_their_characters() -> None:
    assert spread_words(spelled(" a", " bcdefgh"), 100, 200) == (Word(" a", 100, 120), Word(" bcdefgh", 120, 200))
    assert spread_words([], 100, 200) == ()


def test_times_are_clamped_into_the_sound_in_order() -> None:
    words = (Word(" a", 0, 50), Word(" b", 40, 30), Word(" c", 60, 900))

    assert keep_order(words, 10, 100) == (Word(" a", 10, 50), Word(" b", 50, 50), Word(" c", 60, 100))


def test_token_starts_where_the_path_reaches_it() -> None:
    assert token_starts([(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)], 1_000) == [1_000, 1_320, 1_640]


def test_runs_are_the_spans_of_equal_neighbours() -> None:
    assert list(runs("aabbba")) == [(0, 2), (2, 5), (5, 6)]
    assert list(runs("")) == []


def test_limit_grows_with_the_sound_up_to_what_whisper_can_say() -> None:
    limits = [token_limit(seconds * SAMPLE_RATE_HZ) for seconds in (1, 5, 6, 10, 11, 30)]

    assert limits == [75, 75, 150, 150, 224, 224]


@pytest.mark.parametrize(
    "sound", [speechlike(2.0), speechlike(3.0)[:-77], silence(1.0), speechlike(30.0), np.ones(1, np.float32)]
)
def test_padded_log_mel_equals_that_of_padded_sound(sound: Float32) -> None:
    extractor = FeatureExtractor()
    whole = extractor(np.pad(sound, (0, 30 * SAMPLE_RATE_HZ)), padding=0)[:, :FULL_WINDOW_FRAMES]

    padded = padded_log_mel(extractor, sound, FULL_WINDOW_FRAMES)

    np.testing.assert_allclose(padded, whole, atol=1e-6)
