"""Whisper's real work for a text that follows the sound, without trained weights.

A synthetic Whisper (`tools.synthetic_whisper`) says the token that its position tells it, whatever it hears. Its text
here is a ruler: words, and an end of text at some marks. Given a prefix that ends n words before a mark, it generates
exactly n tokens. So each request generates as many tokens as its sound would cost a trained model, and its words are
then replaced by those that were spoken: 3.4 a second, one token each. That is an oracle, the best case for any policy:
speed and work can be measured with it, word errors cannot.

The price is a prefix longer than the real one, by 10 words on average. Each costs a decoder step, so the CPU time of
every decode is some per cent too high, more so where decodes are short.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice, pairwise
from pathlib import Path

from decoder.engine import Engine
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, Word
from tools.synthetic_whisper import SIZES, write_model
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["ALL_WORDS", "NEW_WORDS", "WORD_SAMPLES", "FollowingEngine", "first_word_sample", "write_following_model"]

WORD_SAMPLES = round(SAMPLE_RATE_HZ / 3.4)
"""English is spoken at about 2.5 words a second, and Whisper writes them in 3.4 tokens."""

ALL_WORDS = (-1, 8, 29, 70, 161)
"""A ruler for an engine that generates the whole text each time: 8, 20, 40 or 90 words, as 2, 5, 10 and 25 s of speech
have, each within the engine's token limit for that much sound."""

NEW_WORDS = (-1, 20, 41, 62, 83, 104, 145)
"""A ruler for an engine that generates what comes after the committed words: up to 20 of them wherever these end."""


def write_following_model(size: str, directory: Path, tokenizer: Path, ruler: Sequence[int]) -> tuple[str, ...]:
    """Write a model whose text is the ruler, int8, and return the words it says, each a token with its space.

    Args:
        size: in `tools.synthetic_whisper.SIZES`.
        directory: to write.
        tokenizer: Hugging Face's tokenizer.json of Whisper.
        ruler: `ALL_WORDS` or `NEW_WORDS`.
    """
    described = json.loads(tokenizer.read_text("utf-8"))
    vocabulary: dict[str, int] = described["model"]["vocab"]
    whole = sorted((token_id, token) for token, token_id in vocabulary.items() if re.fullmatch("Ġ[a-z]{3,}", token))
    words = list(islice(cycle(whole), ruler[-1]))  # all different with the official vocabulary
    end = next(token["id"] for token in described["added_tokens"] if token["content"] == "<|endoftext|>")
    text = [end if position in ruler else token_id for position, (token_id, _) in enumerate(words)]
    write_model(SIZES[size], directory, tokenizer, text, quantization="int8")
    return tuple(token.replace("Ġ", " ") for _, token in words)


def first_word_sample(start_sample: int) -> int:
    """Return where the first word of an utterance begins."""
    return start_sample + -start_sample % WORD_SAMPLES


class FollowingEngine:
    """An engine with a model of `write_following_model`, whose words follow the sound.

    Args:
        engine: with that model.
        words: what the model says.
        ruler: of the model: `NEW_WORDS` forces committed words, `ALL_WORDS` generates all of them each time.
    """

    def __init__(self, engine: Engine, words: Sequence[str], ruler: Sequence[int]) -> None:
        self.info = engine.info
        self.work = engine.work
        self.max_batch = engine.max_batch
        self.surplus_steps = 0
        """Steps that only the ruler needed, less those that a request with a context was spared by it.

        How many forced words the engine left out of such a request is not known; there its steps are an upper bound.
        """
        self._engine = engine
        self._words = tuple(words)
        self._ruler = tuple(ruler)
        self._forces_prefix = tuple(ruler) == NEW_WORDS

    async def warm_up(self) -> None:
        """Load the model."""
        await self._engine.warm_up()
        self.info = self._engine.info

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return the words that were spoken, after generating as many tokens, one at least."""
        spoken = [self.spoken(request) for request in batch]
        forced = [len(request.prefix) if self._forces_prefix else 0 for request in batch]
        new = [max(0, len(words) - count) for words, count in zip(spoken, forced, strict=True)]
        asked = [self._asked(*each) for each in zip(batch, forced, new, strict=True)]
        outcomes = await self._engine.decode(asked)
        return [self._answer(*each) for each in zip(outcomes, asked, forced, new, spoken, strict=True)]

    def spoken(self, request: DecodeRequest) -> tuple[Word, ...]:
        """Return the words that have been said by the end of the request's sound."""
        starts = range(first_word_sample(request.start_sample), request.end_sample - WORD_SAMPLES + 1, WORD_SAMPLES)
        return tuple(
            Word(self._words[start // WORD_SAMPLES % len(self._words)], start, start + WORD_SAMPLES) for start in starts
        )

    def forget(self, session_id: str) -> None:
        """Drop what is kept of a session."""
        self._engine.forget(session_id)

    async def aclose(self) -> None:
        """Free the model."""
        await self._engine.aclose()

    def _asked(self, request: DecodeRequest, forced: int, new: int) -> DecodeRequest:
        """Return the request that generates so many tokens, reading a prefix no shorter than the real one."""
        # An engine far behind has more to say than lies between two marks; it is charged that much.
        generated = min(max(1, new), max(end - before - 1 for before, end in pairwise(self._ruler)))
        mark = next(
            end
            for before, end in pairwise(self._ruler)
            if end - before - 1 >= generated and end >= min(forced + generated, self._ruler[-1])
        )
        texts = self._words[: mark - generated]
        return replace(request, prefix=tuple(Word(t, request.start_sample, request.start_sample) for t in texts))

    def _answer(
        self,
        outcome: Hypothesis | EngineError,
        asked: DecodeRequest,
        forced: int,
        new: int,
        words: tuple[Word, ...],
    ) -> Hypothesis | EngineError:
        if isinstance(outcome, EngineError):
            return outcome
        generated, prefix = max(1, new), len(asked.prefix)
        # <|startofprev|> before a context moves the text by one position, so that it ends one word sooner.
        spared = prefix + generated - len(outcome.words)
        if spared not in (0, 1):
            return EngineFailed(f"the ruler was read wrongly: {len(outcome.words)} words for {prefix} + {generated}")
        self.surplus_steps += generated - new - spared + (0 if spared else prefix - forced)
        return replace(outcome, words=words)
