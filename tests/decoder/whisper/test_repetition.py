"""Loops and guesses of Whisper, and real speech that resembles them."""

import zlib

import pytest

from decoder.whisper.repetition import is_doubtful, is_loop, repeats_itself
from vad.audio import SAMPLE_RATE_HZ

SPEECH = " And so, my fellow Americans, ask not what your country can do for you."


def tokens(text: str) -> list[int]:
    """Return one token per word."""
    return [zlib.crc32(word.encode()) for word in text.split()]


def is_loop_in(text: str, seconds: float) -> bool:
    return is_loop(text, tokens(text), round(seconds * SAMPLE_RATE_HZ))


@pytest.mark.parametrize(
    "text",
    [
        "",
        SPEECH,
        " no no no",
        " five five five five five",
        " one two one two one two",
        " that that is is that that is not is not",
    ],
)
def test_speech_is_no_loop(text: str) -> None:
    assert not is_loop_in(text, 3.0)


@pytest.mark.parametrize(
    "text",
    [
        " one" * 6,
        " one two" * 4,
        SPEECH + " for you" * 4,
        " thank you very much for your" * 4 + SPEECH,
        " a very long phrase of a dozen words that comes again and again." * 4,
        SPEECH * 5,
    ],
)
def test_repeated_phrase_is_a_loop(text: str) -> None:
    assert is_loop_in(text, 30.0)


def test_more_tokens_than_speech_of_that_length_are_a_loop() -> None:
    words = "".join(f" {chr(letter)}" for letter in range(ord("あ"), ord("あ") + 40))

    assert is_loop_in(words, 1.0)
    assert not is_loop_in(words, 10.0)


def test_word_in_very_short_audio_is_no_loop() -> None:
    assert not is_loop_in(" Hm. Well.", 0.01)


def test_repetition_is_found_wherever_it_is() -> None:
    assert repeats_itself([1, 2, 3, 7, 8, 7, 8, 7, 8, 7, 8, 4])
    assert not repeats_itself([1, 2, 3, 7, 8, 7, 8, 7, 8, 4, 7, 8])


def test_doubt_is_for_guesses_and_for_text_that_repeats_itself() -> None:
    assert not is_doubtful(SPEECH, -0.3, 0.1)
    assert is_doubtful(SPEECH, -1.1, 0.1)
    assert is_doubtful(" one two three" * 20, -0.1, 0.1)


def test_guess_at_silence_stands() -> None:
    assert not is_doubtful(" you", -1.4, 0.9)
    assert is_doubtful(" you", -1.4, 0.5)


def test_no_text_is_no_guess() -> None:
    assert not is_doubtful("", None, 0.1)
    assert not is_loop("", [], 0)
