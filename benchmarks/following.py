"""Whisper's real work for a text that follows the audio, without trained weights.

A synthetic Whisper (`tools.synthetic_whisper`) recognizes nothing. Here it generates as many tokens as a trained one
would for its audio, and its text is replaced by the spoken words: 3.4 words a second, one token each, at their times.
That is an oracle, the best case for any policy: it can measure speed and work, but not word errors.

In a batch, all texts are generated to the length of the longest, so the CPU time of mixed batches is somewhat too high;
the counted steps are each text's own.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from faster_whisper import WhisperModel

from decoder.engines.whisper.engine import backend
from decoder.engines.whisper.network import CTranslate2Network
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineError, Hypothesis
from decoder.whisper.batch_plan import POSITION_SAMPLES, Plan
from decoder.whisper.engine import WhisperEngine
from decoder.whisper.network import Alignment, Encoded, Generated
from decoder.whisper.utterance_cache import UtteranceStore
from tools.synthetic_whisper import SIZES, write_model
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["WORD_SAMPLES", "FollowingEngine", "first_word_sample", "write_following_model"]

WORD_SAMPLES = round(SAMPLE_RATE_HZ / 3.4)
"""English is spoken at about 2.5 words a second, and Whisper writes them in 3.4 tokens."""

_LONGEST_TEXT = 440
"""Tokens; Whisper's decoder has 448 positions, and the text ends only at its limit."""

_LIKELY = -0.1
"""Nats per token: high enough that nothing is decoded again."""


def write_following_model(size: str, directory: Path, tokenizer: Path) -> None:
    """Write a model, int8, whose text never ends.

    Args:
        size: in `tools.synthetic_whisper.SIZES`.
        directory: to write.
        tokenizer: Hugging Face's tokenizer.json of Whisper.
    """
    vocabulary: dict[str, int] = json.loads(tokenizer.read_text("utf-8"))["model"]["vocab"]
    tokens = list(islice(cycle(_whole_words(vocabulary)), _LONGEST_TEXT))
    write_model(SIZES[size], directory, tokenizer, tokens, quantization="int8")


def first_word_sample(start_sample: int) -> int:
    """Return where the first word of an utterance begins."""
    return start_sample + -start_sample % WORD_SAMPLES


def _whole_words(vocabulary: Mapping[str, int]) -> list[int]:
    return sorted(token_id for token, token_id in vocabulary.items() if re.fullmatch("Ġ[a-z]{3,}", token))


class FollowingEngine(WhisperEngine):
    """Whisper with a model of `write_following_model`, whose words follow the audio.

    Args:
        settings: with that model.
        forces_prefix: whether committed words are passed to the decoder; if not, it generates all words each time.
    """

    def __init__(self, settings: EngineSettings, *, forces_prefix: bool) -> None:
        super().__init__(settings, backend(settings, _FollowingNetwork))
        self._forces_prefix = forces_prefix

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return the spoken words, after generating as many tokens."""
        return await super().decode(batch if self._forces_prefix else [replace(one, prefix=()) for one in batch])


class _FollowingNetwork(CTranslate2Network):
    """The model's real work; of what comes out, the texts and their times are the oracle's."""

    def __init__(self, loaded: WhisperModel, utterances: UtteranceStore) -> None:
        super().__init__(loaded, utterances)
        self._words = _whole_words(loaded.hf_tokenizer.get_vocab())

    def generate(
        self, plans: Sequence[Plan], encoded: Sequence[Encoded], languages: Sequence[str], temperature: float = 0.0
    ) -> list[Generated]:
        """Return the words that were spoken, after generating as many tokens."""
        steps = self.work.decoder_steps + sum(map(self._steps, plans))
        texts = super().generate(plans, encoded, languages, temperature)
        self.work.decoder_steps = steps
        return [
            replace(
                item,
                tokens=self._tokens(item.plan),
                rest_sample=None,
                avg_logprob=_LIKELY,
                no_speech_probability=0.0,
            )
            for item in texts
        ]

    def align(self, texts: Sequence[Generated]) -> list[Alignment]:
        """Return the times at which the words were spoken, after aligning them."""
        super().align(texts)
        return [self._alignment(item) for item in texts]

    def _steps(self, plan: Plan) -> int:
        """Return the number of steps of a plan: its prefix, the words spoken since, and the end of text."""
        return len(plan.prefix_tokens) + len(self._spoken(plan)) + 1

    def _tokens(self, plan: Plan) -> tuple[int, ...]:
        return tuple(self._token(number) for number in self._spoken(plan))

    def _alignment(self, text: Generated) -> Alignment:
        start_sample, committed = text.plan.request.start_sample, len(text.plan.prefix)
        spoken = self._spoken(text.plan)
        first = spoken.start - committed
        count = committed + len(text.tokens)
        positions = [
            max(0, (first + place) * WORD_SAMPLES - start_sample) // POSITION_SAMPLES for place in range(count + 1)
        ]
        return Alignment(list(enumerate(positions)), [1.0] * count)

    def _spoken(self, plan: Plan) -> range:
        """Return the numbers of the words to generate: those after the prefix that are spoken by its end."""
        request = plan.request
        first = first_word_sample(request.start_sample) // WORD_SAMPLES
        if plan.before.words:  # the words before a cut determine the next one, near the position of the cut
            near = round(request.start_sample / WORD_SAMPLES)
            last = plan.before.words[-1].text
            after = (number + 1 for number in range(near - 4, near + 4) if self._text(number) == last)
            first = min(after, key=lambda number: abs(number - near), default=near)
        first += len(plan.prefix)
        return range(first, max(first, request.end_sample // WORD_SAMPLES))

    def _token(self, number: int) -> int:
        return self._words[number % len(self._words)]

    def _text(self, number: int) -> str:
        return self.vocabulary.text([self._token(number)])
