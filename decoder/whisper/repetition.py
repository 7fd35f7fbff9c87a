"""PURE: whether an answer is one that Whisper itself would not trust."""

import zlib
from collections.abc import Sequence

from decoder.whisper.batch_plan import TOKENS_PER_SECOND
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["SILENT_PROBABILITY", "is_doubtful", "is_guessed", "is_loop", "repeats_itself"]

MOST_COMPRESSED = 2.4
"""A text that zlib makes smaller by more repeats itself (openai/whisper)."""

LEAST_AVG_LOGPROB = -1.0
"""Nats a token; below it the words are as good as guessed (openai/whisper)."""

SILENT_PROBABILITY = 0.6
"""Above it guessed words are taken for silence, which no second try makes clearer (openai/whisper)."""

LONGEST_REPEATED_TOKENS = 12
"""The loops of a window without margin are of a word or a short phrase."""

LEAST_REPEATS = 4
"""People say a thing three times for emphasis."""

LEAST_REPEATED_TOKENS = 6
"""And a digit of a telephone number up to five times."""

SLACK_TOKENS = 5
"""So that a word cut short by the start or the end of the audio is no loop."""


def is_loop(text: str, tokens: Sequence[int], audio_samples: int) -> bool:
    """Return whether nobody says such a thing in so much audio.

    Args:
        text: the new words.
        tokens: those of the text.
        audio_samples: how long the audio is, at 16 kHz.
    """
    fastest = SLACK_TOKENS + TOKENS_PER_SECOND * audio_samples / SAMPLE_RATE_HZ
    return len(tokens) > fastest or repeats_itself(tokens) or _compression(text) > MOST_COMPRESSED


def is_doubtful(text: str, avg_logprob: float | None, no_speech_probability: float) -> bool:
    """Return whether Whisper would try again at a higher temperature.

    Args:
        text: the new words.
        avg_logprob: nats a token, ≤ 0; None where there is no token.
        no_speech_probability: 0..1.
    """
    if is_guessed(avg_logprob) and no_speech_probability > SILENT_PROBABILITY:
        return False
    return is_guessed(avg_logprob) or _compression(text) > MOST_COMPRESSED


def is_guessed(avg_logprob: float | None) -> bool:
    """Return whether words of that mean log probability are as good as guessed."""
    return avg_logprob is not None and avg_logprob < LEAST_AVG_LOGPROB


def repeats_itself(tokens: Sequence[int]) -> bool:
    """Return whether a phrase is said over and over, nothing else in between."""
    return any(
        _longest_echo(tokens, length) >= max(LEAST_REPEATED_TOKENS, LEAST_REPEATS * length) - length
        for length in range(1, LONGEST_REPEATED_TOKENS + 1)
    )


def _longest_echo(tokens: Sequence[int], length: int) -> int:
    """Return the most tokens in a row that equal the one `length` before."""
    longest = echo = 0
    for before, token in zip(tokens, tokens[length:], strict=False):
        echo = echo + 1 if token == before else 0
        longest = max(longest, echo)
    return longest


def _compression(text: str) -> float:
    spelled = text.strip().encode()
    return len(spelled) / len(zlib.compress(spelled))
