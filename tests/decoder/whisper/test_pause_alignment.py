"""Words end where the speech stops and start where it resumes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoder.types import Word
from decoder.whisper.pause_alignment import without_pauses
from tests.audio import noise, silence
from vad.audio import SAMPLE_RATE_HZ, Float32


def voice(seconds: float) -> Float32:
    return noise(seconds, 0.3)


def word(start_s: float, end_s: float) -> Word:
    return Word(" word", round(start_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ), 0.9)


def times_s(words: tuple[Word, ...]) -> list[float]:
    return [sample / SAMPLE_RATE_HZ for word in words for sample in (word.start_sample, word.end_sample)]


PAUSED = np.concatenate([silence(0.5), voice(0.5), silence(0.6), voice(0.4), silence(0.5)])


def test_pause_belongs_to_no_word() -> None:
    # As the alignment has it: from one boundary to the next, each a little early.
    words = without_pauses([word(0.4, 0.9), word(0.9, 2.1)], PAUSED, 0)

    assert times_s(words) == pytest.approx([0.5, 1.0, 1.6, 2.0], abs=0.03)


def test_words_count_from_where_the_audio_starts() -> None:
    moved = without_pauses([Word(" a", 1_006_400, 1_014_400), Word(" b", 1_014_400, 1_033_600)], PAUSED, 1_000_000)

    expected = [1_000_000 + second * SAMPLE_RATE_HZ for second in (0.5, 1.0, 1.6, 2.0)]
    assert [sample for each in moved for sample in (each.start_sample, each.end_sample)] == pytest.approx(
        expected, abs=500
    )


def test_words_without_a_pause_between_them_stay() -> None:
    words = (word(0.5, 1.0), word(1.0, 1.5))

    assert without_pauses(words, voice(2.0), 0) == words


def test_words_in_loud_noise_stay() -> None:
    words = (word(0.4, 0.9), word(0.9, 2.1))

    assert without_pauses(words, PAUSED + noise(2.5, 0.1), 0) == words


def test_nothing_and_next_to_nothing_stay() -> None:
    assert without_pauses([], PAUSED, 0) == ()
    assert without_pauses([word(0.0, 0.0)], np.zeros(1, np.float32), 0) == (word(0.0, 0.0),)
    assert without_pauses([word(0.0, 0.5)], silence(0.5), 0) == (word(0.0, 0.5),)


@settings(deadline=None)
@given(st.lists(st.integers(0, len(PAUSED)), min_size=2, max_size=12))
def test_words_stay_in_order_within_the_audio(ends: list[int]) -> None:
    words = [Word(" word", start, end) for start, end in pairwise(sorted(ends))]

    moved = without_pauses(words, PAUSED, 0)

    assert [each.text for each in moved] == [each.text for each in words]
    assert all(0 <= each.start_sample <= each.end_sample <= len(PAUSED) for each in moved)
    assert all(before.end_sample <= after.start_sample for before, after in pairwise(moved))


def test_words_that_lie_over_each_other_stay() -> None:
    words = (word(0.5, 1.0), word(0.5, 0.56))

    assert without_pauses(words, PAUSED, 0)[0].end_sample == words[0].end_sample
