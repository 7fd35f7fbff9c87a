"""Whisper's network on CTranslate2: encodes, generates and aligns many windows per call."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import numpy as np
from ctranslate2.models import WhisperGenerationResult
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from decoder.engine import EngineWork
from decoder.engines.whisper.batch_plan import (
    CONTEXT_TOKENS,
    FRAMES_PER_SECOND,
    FULL_WINDOW_FRAMES,
    LATEST_FIRST_TIME,
    Plan,
    frame_count,
)
from decoder.engines.whisper.encoded_silence import SilenceOutputs
from decoder.engines.whisper.encoder_output import Encoded, joined, to_array
from decoder.engines.whisper.timestamp_tokens import split_times
from decoder.settings import EngineSettings
from decoder.types import ModelError, Task
from vad.audio import Float32

__all__ = ["Generated", "Network", "load_model"]

TRANSLATED_INTO = "en"
"""The only language that Whisper was trained to translate into."""

TIMED_FRAMES_LEAST = 2
"""One encoder position."""


@dataclass(frozen=True, slots=True)
class Generated:
    """The text generated for one plan.

    Attributes:
        plan: of the decode.
        encoded: its window.
        language: ISO-639-1.
        tokens: of the text after the prefix.
        rest_sample: samples of its audio that the text covers; the rest is still to be decoded. None: complete.
        avg_logprob: nats per token, ≤ 0; None if there is no token.
        no_speech_probability: 0..1.
    """

    plan: Plan
    encoded: Encoded
    language: str
    tokens: tuple[int, ...]
    rest_sample: int | None
    avg_logprob: float | None
    no_speech_probability: float


def load_model(directory: Path, settings: EngineSettings, device: str) -> WhisperModel:
    """Return the loaded model, which `settings.workers` networks can use at the same time.

    Args:
        directory: of the model.
        settings: compute type, threads and workers; `workers` ≥ 1.
        device: cpu or cuda.

    Raises:
        ModelError: the files are not a Whisper model, or memory is insufficient.
    """
    try:
        # tokenizers raises a bare Exception for a corrupt file; this raises ValueError.
        json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
        return WhisperModel(
            str(directory),
            device=device,
            compute_type=settings.compute_type,
            cpu_threads=settings.cpu_threads,
            num_workers=settings.workers,
        )
    except (RuntimeError, ValueError, OSError, MemoryError) as error:
        raise ModelError(f"model {directory} cannot be loaded: {error}") from error


class Network:
    """A loaded model. Not thread-safe: one call at a time, but several networks may share a model."""

    def __init__(self, loaded: WhisperModel, work: EngineWork) -> None:
        """Wrap a loaded model.

        Args:
            loaded: from `load_model`.
            work: counts what is computed.
        """
        self._model = loaded.model
        self._vocabulary = loaded.hf_tokenizer
        self._work = work
        self.mel_filters: Float32 = loaded.feature_extractor.mel_filters
        self.is_multilingual: bool = self._model.is_multilingual
        languages = tuple(
            code
            for code in loaded.supported_languages
            if not self.is_multilingual or self._vocabulary.token_to_id(f"<|{code}|>") is not None
        )
        self.languages = languages
        self._tokenizers = {
            (code, task): Tokenizer(self._vocabulary, self.is_multilingual, task=task, language=code)
            for code in languages
            for task in Task
        }
        any_tokenizer = self._tokenizers[languages[0], Task.TRANSCRIBE]
        self._eot: int = any_tokenizer.eot
        self._first_time: int = any_tokenizer.timestamp_begin
        self._silence = SilenceOutputs(self._encode_silence)
        self.sot_prev: int = any_tokenizer.sot_prev
        # As in faster-whisper, plus the other special tokens except timestamps: none of them belongs in a text.
        self._suppressed = sorted(
            {*any_tokenizer.non_speech_tokens, *range(self._eot + 1, any_tokenizer.no_timestamps + 1)}
        )

    def close(self) -> None:
        """Free the weights, which other networks may share; none of them may be computing."""
        self._model.unload_model()

    def tokens(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text.

        Raises:
            TypeError, ValueError: the text has lone surrogates.
        """
        # Special tokens spelled out in a text would be taken for real ones and corrupt the whole batch.
        return tuple(
            token for token in self._vocabulary.encode(text, add_special_tokens=False).ids if token < self._eot
        )

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        text: str = self._vocabulary.decode(list(tokens))
        return text

    def encode(self, log_mels: Sequence[Float32]) -> list[Encoded]:
        """Return each window encoded, followed by silence up to 30 s.

        Args:
            log_mels: float32[mels, frames] each, all of one length.
        """
        features = np.stack(log_mels)
        self._work.encoder_s += features.shape[0] * features.shape[-1] / FRAMES_PER_SECOND
        output = self._model.encode(ctranslate2.StorageView.from_array(features))
        if features.shape[-1] < FULL_WINDOW_FRAMES:
            completed = self._silence.complete(to_array(output), log_mels)
            output = ctranslate2.StorageView.from_array(completed)
        return [Encoded(output, row) for row in range(len(log_mels))]

    def _encode_silence(self, features: Float32) -> Float32:
        """Return the output for silence; not counted as work, because it runs only a few times per process."""
        return to_array(self._model.encode(ctranslate2.StorageView.from_array(features)))

    def detect_language(self, encoded: Sequence[Encoded]) -> list[dict[str, float]]:
        """Return for each window the probability of each language, 0..1."""
        return [
            {token[2:-2]: probability for token, probability in detected if token[2:-2] in self.languages}
            for detected in self._model.detect_language(joined(encoded))
        ]

    def generate(
        self, plans: Sequence[Plan], encoded: Sequence[Encoded], languages: Sequence[str], temperature: float = 0.0
    ) -> list[Generated]:
        """Return the text of each window.

        Args:
            plans: of one group.
            encoded: their windows.
            languages: their ISO-639-1 codes.
            temperature: 0: the most likely text; above 0: a random sample.
        """
        prompts = [
            [*plan.context, *tokenizer.sot_sequence, *self._before_text(plan), *plan.prefix_tokens]
            for plan, tokenizer in zip(plans, map(self._tokenizer, plans, languages), strict=True)
        ]
        # CTranslate2 counts text, prefix included, from the last task token, and truncates it at the
        # smaller of half of max_length and max_length less the task tokens.
        plan = plans[0]
        task_tokens = len(prompts[0]) - len(plan.prefix_tokens) - len(self._before_text(plan))
        limit = min(plan.generated_limit, CONTEXT_TOKENS - task_tokens)
        sampling = {"sampling_topk": 0, "sampling_temperature": temperature} if temperature else {}
        results = self._model.generate(
            joined(encoded),
            prompts,
            beam_size=1 if temperature else plan.beam_size,
            max_length=max(2 * limit, limit + task_tokens),
            suppress_blank=plan.suppresses_blank,
            suppress_tokens=self._suppressed,
            max_initial_timestamp_index=LATEST_FIRST_TIME,
            return_scores=True,
            return_no_speech_prob=True,
            **sampling,
        )
        return [self._generated(*each, limit) for each in zip(plans, encoded, languages, results, strict=True)]

    def speller(self, text: Generated) -> Tokenizer:
        """Return the tokenizer that splits the text into words, by the language that it is written in."""
        is_translated = text.plan.request.task is Task.TRANSLATE and TRANSLATED_INTO in self.languages
        return self._tokenizers[TRANSLATED_INTO if is_translated else text.language, Task.TRANSCRIBE]

    def align(self, texts: Sequence[Generated]) -> list[tuple[list[tuple[int, int]], list[float]]]:
        """Return for each text the path (token, encoder position) and the probability of each token, 0..1.

        Args:
            texts: of one language and task.
        """
        aligned = self._model.align(
            joined([item.encoded for item in texts]),
            self._tokenizer(texts[0].plan, texts[0].language).sot_sequence,
            [[*item.plan.prefix_tokens, *item.tokens] for item in texts],
            [max(TIMED_FRAMES_LEAST, frame_count(len(item.plan.request.samples))) for item in texts],
        )
        return [(item.alignments, item.text_token_probs) for item in aligned]

    def score(self, text: Generated, alternatives: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the probability of each token of each alternative text of the same audio, 0..1.

        Args:
            text: whose audio, language and task are used.
            alternatives: tokens of each, at least one.
        """
        encoded = to_array(joined([text.encoded]))
        scored = self._model.align(
            ctranslate2.StorageView.from_array(np.repeat(encoded, len(alternatives), axis=0)),
            self._tokenizer(text.plan, text.language).sot_sequence,
            [list(tokens) for tokens in alternatives],
            [max(TIMED_FRAMES_LEAST, frame_count(len(text.plan.request.samples)))] * len(alternatives),
        )
        return [item.text_token_probs for item in scored]

    def _tokenizer(self, plan: Plan, language: str) -> Tokenizer:
        return self._tokenizers[language, plan.request.task]

    def _before_text(self, plan: Plan) -> tuple[int, ...]:
        """Return the token that disables timestamps, for partials."""
        return (self._first_time - 1,) if plan.is_partial else ()

    def _generated(
        self, plan: Plan, encoded: Encoded, language: str, result: WhisperGenerationResult, limit: int
    ) -> Generated:
        tokens = result.sequences_ids[0]
        forced = len(plan.prefix_tokens)
        self._work.decoder_steps += min(len(tokens) + 1, limit)  # CTranslate2 takes a step for each forced token too
        # The score is the sum over the new tokens and the end of text, divided by all tokens, forced ones included;
        # it is -∞ if there is no token.
        total = result.scores[0] * len(tokens) if tokens else None
        new_tokens = tokens[forced : plan.limit]
        text = split_times([token for token in new_tokens if token != self._eot], self._first_time)
        return Generated(
            plan,
            encoded,
            language,
            tuple(token for token in text.tokens if token < self._eot),
            text.rest_sample,
            None if total is None else min(total / (len(tokens) - forced + 1), 0.0),
            result.no_speech_prob,
        )
