"""Whisper's network on CTranslate2: encode, generate and align, each for many sounds in one call."""

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
from decoder.engines.whisper.timestamp_tokens import split_times
from decoder.settings import EngineSettings
from decoder.types import ModelError, Task
from vad.audio import Float32

__all__ = ["Encoded", "Heard", "Network", "load_model"]

TRANSLATED_INTO = "en"
"""Whisper learnt to translate into nothing else."""

TIMED_FRAMES_LEAST = 2
"""One position of the encoder."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Where a sound lies in the encoder's output.

    Attributes:
        output: float[sounds, positions, width].
        row: which of its sounds.
    """

    output: ctranslate2.StorageView
    row: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What was generated for one plan.

    Attributes:
        plan: what was asked.
        encoded: its sound.
        language: ISO-639-1.
        tokens: of the text, those after the prefix.
        rest_sample: samples of its audio before the place from which it is to be decoded on; None: it is complete.
        avg_logprob: nats a token, ≤ 0; None where there is no token.
        no_speech_probability: 0..1.
    """

    plan: Plan
    encoded: Encoded
    language: str
    tokens: tuple[int, ...]
    rest_sample: int | None
    avg_logprob: float | None
    no_speech_probability: float


class _Rows:
    """Rows of an encoder output, sharing its memory on CPU and GPU, as `StorageView.from_array` takes them."""

    def __init__(self, encoded: ctranslate2.StorageView, first: int, end: int) -> None:
        self._owner = encoded  # frees the memory
        on_gpu = encoded.device == "cuda"
        interface = dict(encoded.__cuda_array_interface__ if on_gpu else encoded.__array_interface__)
        address, read_only = interface["data"]
        row_bytes = int(np.prod(encoded.shape[1:])) * np.dtype(interface["typestr"]).itemsize
        interface |= {"data": (address + first * row_bytes, read_only), "shape": (end - first, *encoded.shape[1:])}
        if on_gpu:
            self.__cuda_array_interface__ = interface
        else:
            self.__array_interface__ = interface


def load_model(directory: Path, settings: EngineSettings, device: str) -> WhisperModel:
    """Return the model, ready for as many networks at work at the same time as `settings.workers` says.

    Args:
        directory: of the model.
        settings: how it computes; `workers` ≥ 1.
        device: cpu or cuda.

    Raises:
        ModelError: the files are no Whisper model, or there is no room for it.
    """
    try:
        # tokenizers raises a bare Exception at a broken file; this raises ValueError.
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
        """Get ready.

        Args:
            loaded: of `load_model`.
            work: where what is done is counted.
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
        # As in faster-whisper, and the other special tokens but the times: one of them in a text is never right.
        self._suppressed = sorted(
            {*any_tokenizer.non_speech_tokens, *range(self._eot + 1, any_tokenizer.no_timestamps + 1)}
        )

    def close(self) -> None:
        """Free the weights, for all that share them; none of them may be at work."""
        self._model.unload_model()

    def tokens(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text.

        Raises:
            TypeError, ValueError: it has lone surrogates.
        """
        # Special tokens spelled out in a text would be taken for the real ones and upset the whole batch.
        return tuple(
            token for token in self._vocabulary.encode(text, add_special_tokens=False).ids if token < self._eot
        )

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        written: str = self._vocabulary.decode(list(tokens))
        return written

    def encode(self, log_mels: Sequence[Float32]) -> list[Encoded]:
        """Return each window encoded, with silence behind it up to 30 s.

        Args:
            log_mels: float32[mels, frames] each, all of one length.
        """
        features = np.stack(log_mels)
        self._work.encoder_s += features.shape[0] * features.shape[-1] / FRAMES_PER_SECOND
        output = self._model.encode(ctranslate2.StorageView.from_array(features))
        if features.shape[-1] < FULL_WINDOW_FRAMES:
            completed = self._silence.complete(_to_array(output), log_mels)
            output = ctranslate2.StorageView.from_array(completed)
        return [Encoded(output, row) for row in range(len(log_mels))]

    def _encode_silence(self, features: Float32) -> Float32:
        """Return the output for silence; done a few times in a process, it counts as loading the model."""
        return _to_array(self._model.encode(ctranslate2.StorageView.from_array(features)))

    def detect_language(self, sounds: Sequence[Encoded]) -> list[dict[str, float]]:
        """Return for each window the probability of each language, 0..1."""
        return [
            {token[2:-2]: probability for token, probability in detected if token[2:-2] in self.languages}
            for detected in self._model.detect_language(_rows(sounds))
        ]

    def generate(
        self, plans: Sequence[Plan], sounds: Sequence[Encoded], languages: Sequence[str], temperature: float = 0.0
    ) -> list[Heard]:
        """Return what is said in each sound.

        Args:
            plans: of one group.
            sounds: theirs.
            languages: ISO-639-1, theirs.
            temperature: at 0 the likeliest text, above it a random one.
        """
        prompts = [
            [*plan.context, *tokenizer.sot_sequence, *self._before_text(plan), *plan.prefix_tokens]
            for plan, tokenizer in zip(plans, map(self._tokenizer, plans, languages), strict=True)
        ]
        # CTranslate2 counts text, prefix included, from the last task token, and cuts it at the less of half of
        # max_length and what the task tokens leave of it.
        plan = plans[0]
        task_tokens = len(prompts[0]) - len(plan.prefix_tokens) - len(self._before_text(plan))
        limit = min(plan.generated_limit, CONTEXT_TOKENS - task_tokens)
        chance = {"sampling_topk": 0, "sampling_temperature": temperature} if temperature else {}
        generated = self._model.generate(
            _rows(sounds),
            prompts,
            beam_size=1 if temperature else plan.beam_size,
            max_length=max(2 * limit, limit + task_tokens),
            suppress_blank=plan.suppresses_blank,
            suppress_tokens=self._suppressed,
            max_initial_timestamp_index=LATEST_FIRST_TIME,
            return_scores=True,
            return_no_speech_prob=True,
            **chance,
        )
        return [self._heard(*each, limit) for each in zip(plans, sounds, languages, generated, strict=True)]

    def speller(self, heard: Heard) -> Tokenizer:
        """Return what splits the text into words: by the language that it is written in."""
        is_translated = heard.plan.request.task is Task.TRANSLATE and TRANSLATED_INTO in self.languages
        return self._tokenizers[TRANSLATED_INTO if is_translated else heard.language, Task.TRANSCRIBE]

    def align(self, heard: Sequence[Heard]) -> list[tuple[list[tuple[int, int]], list[float]]]:
        """Return for each text the path (token, encoder position) and the probability of each token, 0..1.

        Args:
            heard: of one language and task.
        """
        aligned = self._model.align(
            _rows([item.encoded for item in heard]),
            self._tokenizer(heard[0].plan, heard[0].language).sot_sequence,
            [[*item.plan.prefix_tokens, *item.tokens] for item in heard],
            [max(TIMED_FRAMES_LEAST, frame_count(len(item.plan.request.samples))) for item in heard],
        )
        return [(item.alignments, item.text_token_probs) for item in aligned]

    def score(self, heard: Heard, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the probability of each token of each text, 0..1, as the text of that audio.

        Args:
            heard: whose audio, language and task it is.
            texts: tokens of each, at least one.
        """
        encoded = _to_array(_rows([heard.encoded]))
        scored = self._model.align(
            ctranslate2.StorageView.from_array(np.repeat(encoded, len(texts), axis=0)),
            self._tokenizer(heard.plan, heard.language).sot_sequence,
            [list(text) for text in texts],
            [max(TIMED_FRAMES_LEAST, frame_count(len(heard.plan.request.samples)))] * len(texts),
        )
        return [item.text_token_probs for item in scored]

    def _tokenizer(self, plan: Plan, language: str) -> Tokenizer:
        return self._tokenizers[language, plan.request.task]

    def _before_text(self, plan: Plan) -> tuple[int, ...]:
        """Return what says that no timestamps are wanted, where they are not."""
        return (self._first_time - 1,) if plan.is_partial else ()

    def _heard(
        self, plan: Plan, sound: Encoded, language: str, generated: WhisperGenerationResult, limit: int
    ) -> Heard:
        tokens = generated.sequences_ids[0]
        forced = len(plan.prefix_tokens)
        self._work.decoder_steps += min(len(tokens) + 1, limit)  # CTranslate2 takes a step for each forced token too
        # The score is the sum over the new tokens and the end of text, divided by all tokens, forced ones included;
        # it is minus infinity where there is no token at all.
        total = generated.scores[0] * len(tokens) if tokens else None
        new_tokens = tokens[forced : plan.limit]
        text = split_times([token for token in new_tokens if token != self._eot], self._first_time)
        return Heard(
            plan,
            sound,
            language,
            tuple(token for token in text.tokens if token < self._eot),
            text.rest_sample,
            None if total is None else min(total / (len(tokens) - forced + 1), 0.0),
            generated.no_speech_prob,
        )


def _to_array(output: ctranslate2.StorageView) -> Float32:
    """Return a copy of an encoder output, float32[windows, positions, width], in the host's memory."""
    return np.array(output.to(ctranslate2.DataType.float32).to_device(ctranslate2.Device.cpu))


def _rows(sounds: Sequence[Encoded]) -> ctranslate2.StorageView:
    """Return the windows as one output: rows of theirs if they are neighbours there, else copies."""
    output, first, end = sounds[0].output, sounds[0].row, sounds[-1].row + 1
    if not all(sound.output is output and sound.row == first + place for place, sound in enumerate(sounds)):
        return ctranslate2.StorageView.from_array(np.concatenate([_to_array(_rows([sound])) for sound in sounds]))
    if (first, end) == (0, output.shape[0]):
        return output
    if output.dtype == ctranslate2.DataType.bfloat16:  # the array interface has no name for it
        output = output.to(ctranslate2.DataType.float32)
    return ctranslate2.StorageView.from_array(_Rows(output, first, end))
