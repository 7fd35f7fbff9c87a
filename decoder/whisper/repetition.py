"""PURE: detect texts that are loops or guesses, by the rules of openai/whisper."""

import zlib
from collections.abc import Sequence

from decoder.whisper.batch_plan import TOKENS_PER_SECOND
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["SILENT_PROBABILITY", "is_doubtful", "is_guessed", "is_loop", "repeats_itself"]

MOST_COMPRESSED = 2.4
"""A text with a higher zlib compression ratio repeats itself (openai/whisper)."""

LEAST_AVG_LOGPROB = -1.0
"""Nats per token; below it the words are guesses (openai/whisper)."""

SILENT_PROBABILITY = 0.6
"""Above it guessed words count as silence, for which a retry is useless (openai/whisper)."""

LONGEST_REPEATED_TOKENS = 12
"""Loops of a window without margin consist of a word or a short phrase."""

LEAST_REPEATS = 4
"""Speakers repeat a phrase up to three times for emphasis."""

LEAST_REPEATED_TOKENS = 6
"""A telephone number can have the same digit up to five times in a row."""

SLACK_TOKENS = 5
"""Allowance for a word truncated by the start or the end of the audio."""


def is_loop(text: str, tokens: Sequence[int], audio_samples: int) -> bool:
    """Return whether the text is a loop: too long for its audio, or repeating itself.

    Args:
        text: the new words.
        tokens: tokens of the text.
        audio_samples: length of the audio at 16 kHz.
    """
    fastest = SLACK_TOKENS + TOKENS_PER_SECOND * audio_samples / SAMPLE_RATE_HZ
    return len(tokens) > fastest or repeats_itself(tokens) or _compression(text) > MOST_COMPRESSED


def is_doubtful(text: str, avg_logprob: float | None, no_speech_probability: float) -> bool:
    """Return whether openai/whisper would decode again at a higher temperature.

    Args:
        text: the new words.
        avg_logprob: nats per token, ≤ 0; None if there is no token.
        no_speech_probability: 0..1.
    """
    if is_guessed(avg_logprob) and no_speech_probability > SILENT_PROBABILITY:
        return False
    return is_guessed(avg_logprob) or _compression(text) > MOST_COMPRESSED


def is_guessed(avg_logprob: float | None) -> bool:
    """Return whether words of that mean log probability are guesses."""
    return avg_logprob is not None and avg_logprob < LEAST_AVG_LOGPROB


def repeats_itself(tokens: Sequence[int]) -> bool:
    """Return whether the text contains a phrase many times in immediate succession."""
    return any(
        _longest_echo(tokens, length) >= max(LEAST_REPEATED_TOKENS, LEAST_REPEATS * length) - length
        for length in range(1, LONGEST_REPEATED_TOKENS + 1)
    )


def _longest_echo(tokens: Sequence[int], length: int) -> int:
    """Return the longest run of tokens that each equal the token `length` places earlier."""
    longest = echo = 0
    for before, token in zip(tokens, tokens[length:], strict=False):
        echo = echo + 1 if token == before else 0
        longest = max(longest, echo)
    return longest


def _compression(text: str) -> float:
    spelled = text.strip().encode()
    return len(spelled) / len(zlib.compress(spelled))
