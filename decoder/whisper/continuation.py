"""PURE: a final that is decoded in pieces, each from where the text before it ends."""

from decoder.types import Word
from decoder.whisper.batch_plan import Before
from decoder.whisper.network import Generated
from decoder.whisper.repetition import SILENT_PROBABILITY, is_guessed
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["rest_of", "so_far"]

LEAST_REST_SAMPLES = SAMPLE_RATE_HZ // 2
"""What is left after the last word of an utterance is mostly the silence kept behind it."""


def rest_of(generated: Generated) -> int | None:
    """Return from which sample of its audio a final is to be decoded on, or None where it is complete."""
    rest_sample, length = generated.rest_sample, len(generated.plan.request.samples)
    if not rest_sample or length - rest_sample < LEAST_REST_SAMPLES:
        return None
    return rest_sample


def so_far(generated: Generated, words: tuple[Word, ...]) -> Before:
    """Return what the utterance says up to the end of this text.

    A piece that goes on from another and is silence to the model, its words guessed, adds none (openai/whisper).

    Args:
        generated: the text.
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
