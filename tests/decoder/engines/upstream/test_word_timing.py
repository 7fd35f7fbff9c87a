"""The times of the words of an upstream."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.upstream.response_parsing import TimedText, Transcription
from decoder.engines.upstream.word_timing import append_new_words, quietest_sample, voiced_span, words_of
from decoder.types import Word
from tests.audio import noise, silence, tone
from tests.requests import sentence_words, text
from vad.audio import SAMPLE_RATE_HZ, s_to_samples

TEXTS = st.text("ab .,你好", max_size=40)
SPOKEN = st.lists(
    st.builds(TimedText, st.text("ab ", min_size=1, max_size=6), st.floats(0, 5), st.floats(0, 5)), max_size=5
).map(tuple)


def seconds(word: Word) -> tuple[float, float]:
    return word.start_sample / SAMPLE_RATE_HZ, word.end_sample / SAMPLE_RATE_HZ


def test_words_without_times_are_spread_over_the_voiced_span() -> None:
    audio = np.concatenate([silence(1.0), tone(2.0), silence(1.0)])

    words = words_of(Transcription("abc def"), audio, s_to_samples(10))

    assert [word.text for word in words] == [" abc", " def"]
    assert [seconds(word) for word in words] == [(11.0, 12.0), (12.0, 13.0)]
    assert {word.probability for word in words} == {None}


def test_longer_words_take_longer() -> None:
    short, long = words_of(Transcription("a bcdefgh"), tone(1.0), 0)
    assert short.end_sample - short.start_sample < (long.end_sample - long.start_sample) / 3


def test_words_take_the_times_of_the_segment_they_are_in() -> None:
    transcription = Transcription(
        "one two three", segments=(TimedText("one two", 0.0, 1.0), TimedText("three", 2.0, 3.0))
    )
    assert [seconds(word) for word in words_of(transcription, tone(4.0), 0)] == [(0.0, 0.5), (0.5, 1.0), (2.0, 3.0)]


def test_segments_without_words_of_the_text_give_no_times() -> None:
    segments = (
        TimedText("one", 0.0, 1.0),
        TimedText("...", 1.0, 2.0),
        TimedText(" ", 2.0, 2.5),
        TimedText("two", 3.0, 4.0),
    )
    words = words_of(Transcription("one", segments=segments), tone(4.0), 0)
    assert [seconds(word) for word in words] == [(0.0, 1.0)]


def test_a_text_without_words_has_none() -> None:
    assert words_of(Transcription("  "), tone(1.0), 0) == ()


def test_audio_too_short_for_levels_is_split_in_the_middle() -> None:
    assert quietest_sample(silence(0.05)) == len(silence(0.05)) // 2


def test_words_that_were_timed_keep_the_spelling_of_the_text() -> None:
    transcription = Transcription("Hello, World!", words=(TimedText("hello", 0.5, 1.0), TimedText("world", 1.0, 1.5)))
    words = words_of(transcription, tone(2.0), 0)
    assert [(word.text, seconds(word)) for word in words] == [(" Hello,", (0.5, 1.0)), (" World!", (1.0, 1.5))]


def test_a_word_that_was_not_timed_lies_between_its_neighbours() -> None:
    transcription = Transcription("one two three", words=(TimedText("one", 0.0, 1.0), TimedText("three", 2.0, 3.0)))
    assert [seconds(word) for word in words_of(transcription, tone(4.0), 0)] == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]


def test_characters_of_chinese_are_words_without_spaces() -> None:
    words = words_of(Transcription("你好,world 吗?"), tone(2.0), 0)
    assert [word.text for word in words] == ["你", "好,", " world", "吗?"]


@given(TEXTS, SPOKEN, SPOKEN, st.integers(0, 30_000), st.integers(0, 10**6))
def test_words_are_in_order_within_the_audio_and_none_is_lost(
    spoken_text: str, timed: tuple[TimedText, ...], segments: tuple[TimedText, ...], length: int, start_sample: int
) -> None:
    words = words_of(Transcription(spoken_text, timed, segments), noise(2.0)[:length], start_sample)
    assert "".join(word.text for word in words).replace(" ", "") == spoken_text.replace(" ", "")
    assert all(start_sample <= word.start_sample <= word.end_sample <= start_sample + length for word in words)
    assert all(before.end_sample <= after.start_sample for before, after in pairwise(words))


def test_the_voiced_span_of_silence_is_all_of_it() -> None:
    assert voiced_span(silence(1.0)) == (0, SAMPLE_RATE_HZ)
    assert voiced_span(silence(0.0)) == (0, 0)


def test_audio_is_cut_in_a_pause_near_its_middle() -> None:
    audio = np.concatenate([silence(0.5), tone(2.0), silence(0.2), tone(2.5), silence(0.5)])
    assert s_to_samples(2.5) <= quietest_sample(audio) <= s_to_samples(2.7)


@given(st.integers(2, 40_000))
def test_both_halves_have_some_audio(length: int) -> None:
    place = quietest_sample(np.concatenate([noise(1.5), silence(1.0)])[:length])
    assert 0 < place < length
    assert length < 100 or length // 4 <= place <= length - length // 4


def test_known_words_are_kept_and_new_words_follow() -> None:
    known = sentence_words("one two three")
    new = sentence_words("Two, three four", start_sample=known[1].start_sample)
    assert text(append_new_words(known, 2, new)) == "one two three four"


def test_known_words_are_kept_though_the_response_differs() -> None:
    known = sentence_words("one too three")
    assert text(append_new_words(known, 3, sentence_words("one two three four"))) == "one too three four"


def test_all_words_of_the_response_follow_known_words_before_the_audio() -> None:
    assert text(append_new_words(sentence_words("one"), 0, sentence_words("one two"))) == "one one two"


def test_an_empty_response_leaves_the_known_words() -> None:
    known = sentence_words("one two")
    assert append_new_words(known, 2, ()) == known


WORDS = st.lists(st.sampled_from(["one", "two", "three"]), max_size=6).map(" ".join)


@pytest.mark.parametrize("start_sample", [0, 9_000])
@given(WORDS, WORDS, st.data())
def test_known_words_come_first_and_times_stay_in_order(
    start_sample: int, before: str, after: str, data: st.DataObject
) -> None:
    known = sentence_words(before)
    expected = data.draw(st.integers(0, len(known)))

    words = append_new_words(known, expected, sentence_words(after, start_sample))

    assert words[: len(known)] == known
    assert all(one.end_sample <= other.start_sample for one, other in pairwise(words))
    assert all(word.start_sample <= word.end_sample for word in words)
