import numpy as np
import pytest

from benchmarks.sources import Shift, Word, audio_differences, matched


def words(text: str, begin_s: float = 0.0) -> list[Word]:
    return [Word(word, begin_s + index) for index, word in enumerate(text.split())]


def test_words_that_both_texts_have_are_matched_in_order() -> None:
    pairs = list(matched(words("one two tree four", 5.0), words("zero one two three four")))
    assert [(word.text, word.start_s - known.start_s) for word, known in pairs] == [
        ("one", 4.0),
        ("two", 4.0),
        ("four", 4.0),
    ]


def test_a_shift_is_what_comes_after_the_cut_less_the_median_before() -> None:
    shift = Shift.of([(0.0, 2.0), (1.0, 2.1), (2.0, 9.0), (10.0, 2.2), (11.0, 2.0)], cut_s=5.0)
    assert shift.values == pytest.approx([0.1, -0.1])
    assert shift.row() == ("2", "+0", "100")


def test_audio_is_found_again_in_the_recording() -> None:
    recording = np.random.default_rng(1).integers(-9_000, 9_000, 16_000 * 12, dtype=np.int16)
    late = np.concatenate([recording[16_000 * 2 : 16_000 * 6], np.zeros(16_000 * 3, np.int16), recording[16_000 * 8 :]])
    found = list(audio_differences(late.tobytes(), recording.tobytes()))
    assert (0.0, -2.0) in found
    assert (8.0, -1.0) in found
