"""Tokens joined into words, and the times of words."""

from itertools import pairwise

import pytest

from decoder.features import FRAME_SAMPLES
from decoder.settings import PlannerSettings
from decoder.types import Word
from decoder.whisper.batch_plan import (
    FULL_WINDOW_FRAMES,
    LONGEST_SAMPLES,
    POSITION_SAMPLES,
    runs,
    token_limit,
    window_frames,
)
from decoder.whisper.word_alignment import (
    Spelling,
    align_words,
    join_punctuation,
    keep_order,
    spread_words,
    token_starts,
)
from vad.audio import SAMPLE_RATE_HZ


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


def test_times_are_clamped_to_the_audio_in_order() -> None:
    words = (Word(" a", 0, 50), Word(" b", 40, 30), Word(" c", 60, 900))

    assert keep_order(words, 10, 100) == (Word(" a", 10, 50), Word(" b", 50, 50), Word(" c", 60, 100))


def test_token_starts_where_the_path_reaches_it() -> None:
    assert token_starts([(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)], 1_000) == [1_000, 1_320, 1_640]


def test_runs_are_the_spans_of_equal_neighbours() -> None:
    assert list(runs("aabbba")) == [(0, 2), (2, 5), (5, 6)]
    assert list(runs("")) == []


def test_limit_grows_with_the_audio_up_to_the_maximum_of_whisper() -> None:
    limits = [token_limit(seconds * SAMPLE_RATE_HZ) for seconds in (1, 5, 6, 10, 11, 30)]

    assert limits == [75, 75, 150, 150, 224, 224]


def test_trimmed_window_leaves_a_margin_of_128_positions() -> None:
    for audio_samples in range(1, 20 * SAMPLE_RATE_HZ, 1_000):
        silent_samples = window_frames(audio_samples, "trimmed") * FRAME_SAMPLES - audio_samples
        assert silent_samples >= 128 * POSITION_SAMPLES


def test_trimmed_windows_have_few_lengths_and_never_more_than_the_full_one() -> None:
    windows = {window_frames(audio_samples, "trimmed") for audio_samples in range(0, LONGEST_SAMPLES + 1, 1_000)}

    assert len(windows) == 10
    assert max(windows) == FULL_WINDOW_FRAMES == window_frames(1, "full")
    assert all(frames % 2 == 0 for frames in windows)


def test_requests_of_one_planner_bucket_have_four_windows_at_most() -> None:
    edges_s = (0.0, *PlannerSettings().bucket_edges_s)

    for least_s, most_s in pairwise(edges_s):
        lengths = range(int(least_s * SAMPLE_RATE_HZ) + 1, int(most_s * SAMPLE_RATE_HZ) + 1, 500)
        assert len({window_frames(audio_samples, "trimmed") for audio_samples in lengths}) <= 4
