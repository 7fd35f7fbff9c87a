"""PURE: a final that is decoded in pieces, each starting where the text of the previous one ends."""

from decoder.types import Word
from decoder.whisper.batch_plan import Before
from decoder.whisper.network import Generated
from decoder.whisper.repetition import SILENT_PROBABILITY, is_guessed
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["rest_of", "so_far"]

LEAST_REST_SAMPLES = SAMPLE_RATE_HZ // 2
"""A shorter rest after the last word of an utterance is mostly its trailing silence."""


def rest_of(generated: Generated) -> int | None:
    """Return the sample of its audio where decoding of a final continues, or None if it is complete."""
    rest_sample, length = generated.rest_sample, len(generated.plan.request.samples)
    if not rest_sample or length - rest_sample < LEAST_REST_SAMPLES:
        return None
    return rest_sample


def so_far(generated: Generated, words: tuple[Word, ...]) -> Before:
    """Return the text of the utterance up to and including this piece.

    A later piece adds no words if the model classifies it as silence and its words are guessed (openai/whisper).

    Args:
        generated: the piece.
        words: its words.
    """
    before = generated.plan.before
    is_silent = generated.no_speech_probability > SILENT_PROBABILITY and is_guessed(generated.avg_logprob)
    if before.tokens and is_silent:
        return before
    tokens = 0 if generated.avg_logprob is None else len(generated.tokens) + 1
    return Before(
        before.words + words,
        before.tokens + tokens,
        before.logprob + tokens * (generated.avg_logprob or 0.0),
        min(before.no_speech_probability, generated.no_speech_probability),
    )
