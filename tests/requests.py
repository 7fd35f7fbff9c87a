"""Requests and what engines answer to them, with defaults for what a test does not care about."""

import numpy as np

from decoder.types import DecodeRequest, Hypothesis, RequestKind, Word
from vad.audio import SAMPLE_RATE_HZ, s_to_samples

__all__ = ["WORD_SAMPLES", "hypothesis", "request", "sentence_words", "text"]

WORD_SAMPLES = SAMPLE_RATE_HZ // 4
"""Length of each word of `sentence_words`."""

_SILENCE = np.zeros(s_to_samples(40), np.float32)


def request(
    session: str = "a",
    utterance: int = 0,
    revision: int = 1,
    kind: RequestKind = RequestKind.PARTIAL,
    seconds: float = 1.0,
    deadline_s: float = 0.0,
) -> DecodeRequest:
    """Return a request for so many seconds of silence."""
    return DecodeRequest(session, utterance, revision, kind, _SILENCE[: s_to_samples(seconds)], 0, deadline_s)


def sentence_words(sentence: str, start_sample: int = 0, probability: float | None = None) -> tuple[Word, ...]:
    """Return the words of a sentence, one after the other."""
    return tuple(
        Word(f" {word}", start_sample + i * WORD_SAMPLES, start_sample + (i + 1) * WORD_SAMPLES, probability)
        for i, word in enumerate(sentence.split())
    )


def text(words: tuple[Word, ...]) -> str:
    """Return words as a person reads them."""
    return "".join(word.text for word in words).strip()


def hypothesis(asked: DecodeRequest, sentence: str) -> Hypothesis:
    """Return the hypothesis with this sentence for a request."""
    words = sentence_words(sentence, asked.start_sample)
    return Hypothesis(asked.session_id, asked.utterance_id, asked.revision, words, language="en")
