"""Whisper on CTranslate2: requests of different sessions in one encode, generated and aligned in batches."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import ctranslate2
import numpy as np
from ctranslate2.models import WhisperGenerationResult
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from decoder.engines._whisper_plan import (
    CONTEXT_TOKENS,
    Plan,
    frame_count,
    padded_log_mel,
    refuse,
    runs,
    token_limit,
    window_frames,
)
from decoder.engines._whisper_words import (
    Spelling,
    align_words,
    join_punctuation,
    keep_order,
    spread_words,
    token_starts,
)
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, ModelError, RequestKind, Word
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["BatchDecoder", "Decoded"]

LEARNABLE_SAMPLES = 3 * SAMPLE_RATE_HZ
"""A language heard in less sound is not remembered: a word or two sound alike in many, and the mistake would stay."""

LEARNABLE_PROBABILITY = 0.5
"""Below it the language is as good as guessed (faster-whisper's threshold)."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came of a batch.

    Attributes:
        answers: one a request, in the batch's order.
        learned: session → language to remember.
    """

    answers: tuple[Hypothesis | EngineError, ...]
    learned: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Heard:
    plan: Plan
    language: str
    tokens: tuple[int, ...]  # those after the prefix
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


class BatchDecoder:
    """A loaded model. Not thread-safe: one call at a time."""

    def __init__(self, directory: Path, settings: EngineSettings, device: str) -> None:
        """Load the model.

        Raises:
            ModelError: the files are no Whisper model, or there is no room for it.
        """
        try:
            # tokenizers raises a bare Exception at a broken file; this raises ValueError.
            json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
            loaded = WhisperModel(
                str(directory), device=device, compute_type=settings.compute_type, cpu_threads=settings.cpu_threads
            )
        except (RuntimeError, ValueError, OSError, MemoryError) as error:
            raise ModelError(f"model {directory} cannot be loaded: {error}") from error
        self._model = loaded.model
        self._vocabulary = loaded.hf_tokenizer
        self._extractor = loaded.feature_extractor
        self._final_beam_size = settings.final_beam_size
        self._multilingual: bool = self._model.is_multilingual
        self.languages = tuple(
            code
            for code in loaded.supported_languages
            if not self._multilingual or self._vocabulary.token_to_id(f"<|{code}|>") is not None
        )
        self._tokenizers = {code: self._tokenizer(code) for code in self.languages}
        any_tokenizer = next(iter(self._tokenizers.values()))
        self._eot: int = any_tokenizer.eot
        self._sot_prev: int = any_tokenizer.sot_prev
        # As in faster-whisper, and the other special tokens but the times: one of them in a text is never right.
        self._suppressed = sorted(
            {*any_tokenizer.non_speech_tokens, *range(self._eot + 1, any_tokenizer.no_timestamps + 1)}
        )

    def close(self) -> None:
        """Free the weights."""
        self._model.unload_model()

    def decode(self, batch: Sequence[DecodeRequest], known: Mapping[str, str], proceed: Callable[[], None]) -> Decoded:
        """Return one answer a request, in the same order.

        Args:
            batch: any mixture of requests.
            known: session → its language, where it is known.
            proceed: called between the steps; what it raises ends the decode.
        """
        answers: dict[int, Hypothesis | EngineError] = {}
        plans = []
        for place, request in enumerate(batch):
            planned = self._plan(place, request)
            if isinstance(planned, Plan):
                plans.append(planned)
            else:
                answers[place] = planned
        learned: dict[str, str] = {}
        try:
            if plans:
                plans.sort(key=lambda plan: (plan.group, plan.request.language or ""))
                answers |= self._decode_plans(plans, known, learned, proceed)
        except (RuntimeError, ValueError, MemoryError) as error:
            answers |= {plan.place: _failed(error) for plan in plans}
        return Decoded(tuple(answers[place] for place in range(len(batch))), learned)

    def _plan(self, place: int, request: DecodeRequest) -> Plan | Hypothesis | EngineError:
        error = refuse(request)
        if error is not None:
            return error
        language = request.language
        if language is not None and language not in self._tokenizers:
            return EngineFailed(f"language {language!r}: the model writes {', '.join(self.languages)}")
        if len(request.samples) == 0:
            return _hypothesis(request, words=request.prefix, language=language)
        try:
            before = self._tokens(f" {request.prompt.strip()}" if request.prompt.strip() else "")
            prefix = tuple(self._tokens(word.text) for word in request.prefix)
        except (TypeError, ValueError) as text_error:  # lone surrogates
            return EngineFailed(f"prompt or prefix is no text: {text_error}")
        if sum(map(len, prefix)) >= token_limit(len(request.samples)):  # no room for another word
            return _hypothesis(request, words=request.prefix, language=language)
        before = before[-(CONTEXT_TOKENS // 2 - 1) :]
        beam_size = 1 if request.kind is RequestKind.PARTIAL else self._final_beam_size
        return Plan(place, request, (self._sot_prev, *before) if before else (), prefix, beam_size)

    def _decode_plans(
        self, plans: list[Plan], known: Mapping[str, str], learned: dict[str, str], proceed: Callable[[], None]
    ) -> dict[int, Hypothesis | EngineError]:
        frames = window_frames(plans)
        features = np.stack([padded_log_mel(self._extractor, plan.request.samples, frames) for plan in plans])
        proceed()
        encoded = self._model.encode(ctranslate2.StorageView.from_array(features))
        proceed()
        languages = self._languages(plans, encoded, known, learned)
        heard: list[_Heard] = []
        for first, end in runs([plan.group for plan in plans]):
            proceed()
            heard += self._generate(plans[first:end], languages[first:end], _rows(encoded, first, end))
        answers: dict[int, Hypothesis | EngineError] = {}
        # `align` takes one start sequence a call, and that names the language.
        for first, end in runs([(item.plan.wants_times, item.language) for item in heard]):
            proceed()
            spelled = heard[first:end]
            words = self._words(spelled, _rows(encoded, first, end))
            answers |= {item.plan.place: _answer(item, said) for item, said in zip(spelled, words, strict=True)}
        return answers

    def _languages(
        self, plans: list[Plan], encoded: ctranslate2.StorageView, known: Mapping[str, str], learned: dict[str, str]
    ) -> list[str]:
        if not self._multilingual:
            return ["en"] * len(plans)
        unknown = any(plan.request.language is None and plan.request.session_id not in known for plan in plans)
        detected = self._model.detect_language(encoded) if unknown else [[]] * len(plans)
        languages = [""] * len(plans)
        # In the batch's order, so that a session's later request knows what the earlier one has taught.
        for row in sorted(range(len(plans)), key=lambda row: plans[row].place):
            request = plans[row].request
            session_id = request.session_id
            language = request.language or known.get(session_id) or learned.get(session_id)
            if language is None:
                token, probability = next(item for item in detected[row] if item[0][2:-2] in self._tokenizers)
                language = token[2:-2]
                if len(request.samples) >= LEARNABLE_SAMPLES and probability >= LEARNABLE_PROBABILITY:
                    learned[session_id] = language
            languages[row] = language
        return languages

    def _generate(self, plans: list[Plan], languages: list[str], rows: ctranslate2.StorageView) -> list[_Heard]:
        prompts = [
            [*plan.context, *tokenizer.sot_sequence, tokenizer.no_timestamps, *plan.prefix_tokens]
            for plan, tokenizer in zip(plans, (self._tokenizers[code] for code in languages), strict=True)
        ]
        plan = plans[0]
        # CTranslate2 counts text, prefix included, from the last task token, and cuts it at the less of half of
        # max_length and what the task tokens leave of it.
        task_tokens = len(prompts[0]) - len(plan.prefix_tokens) - 1
        limit = min(plan.limit, CONTEXT_TOKENS - task_tokens)
        generated = self._model.generate(
            rows,
            prompts,
            beam_size=plan.beam_size,
            max_length=max(2 * limit, limit + task_tokens),
            suppress_blank=plan.suppresses_blank,
            suppress_tokens=self._suppressed,
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [
            self._heard(plan, language, item) for plan, language, item in zip(plans, languages, generated, strict=True)
        ]

    def _heard(self, plan: Plan, language: str, generated: WhisperGenerationResult) -> _Heard:
        tokens = generated.sequences_ids[0]
        new_tokens = tokens[len(plan.prefix_tokens) :]
        # The score is the sum over the new tokens and the end of text, divided by all tokens, forced ones included;
        # it is minus infinity where there is no token at all.
        total = generated.scores[0] * len(tokens) if tokens else None
        return _Heard(
            plan,
            language,
            tuple(token for token in new_tokens if token < self._eot),
            None if total is None else min(total / (len(new_tokens) + 1), 0.0),
            generated.no_speech_prob,
        )

    def _words(self, heard: list[_Heard], rows: ctranslate2.StorageView) -> list[tuple[Word, ...]]:
        tokenizer = self._tokenizers[heard[0].language]
        spellings = [_spell(tokenizer, item) for item in heard]
        if not heard[0].plan.wants_times:
            return [_partial_words(item.plan.request, spelled) for item, spelled in zip(heard, spellings, strict=True)]
        aligned = self._model.align(
            rows,
            tokenizer.sot_sequence,
            [[*item.plan.prefix_tokens, *item.tokens] for item in heard],
            [max(2, frame_count(len(item.plan.request.samples))) for item in heard],  # 2: one position
        )
        words = []
        for item, spelled, alignment in zip(heard, spellings, aligned, strict=True):
            request = item.plan.request
            starts = token_starts(alignment.alignments, request.start_sample)
            timed = align_words(spelled, starts, alignment.text_token_probs)
            words.append(keep_order(timed, request.start_sample, request.end_sample))
        return words

    def _tokenizer(self, language: str) -> Tokenizer:
        return Tokenizer(self._vocabulary, self._multilingual, task="transcribe", language=language)

    def _tokens(self, text: str) -> tuple[int, ...]:
        # Special tokens spelled out in a text would be taken for the real ones and upset the whole batch.
        return tuple(
            token for token in self._vocabulary.encode(text, add_special_tokens=False).ids if token < self._eot
        )


def _rows(encoded: ctranslate2.StorageView, first: int, end: int) -> ctranslate2.StorageView:
    if (first, end) == (0, encoded.shape[0]):
        return encoded
    if encoded.dtype == ctranslate2.DataType.bfloat16:  # the array interface has no name for it
        encoded = encoded.to(ctranslate2.DataType.float32)
    return ctranslate2.StorageView.from_array(_Rows(encoded, first, end))


def _spell(tokenizer: Tokenizer, heard: _Heard) -> list[Spelling]:
    """Return the committed words as they are, then the new ones."""
    request = heard.plan.request
    ends = list(accumulate((len(tokens) for tokens in heard.plan.prefix), initial=0))
    committed = [
        Spelling(word.text, first, end) for word, first, end in zip(request.prefix, ends[:-1], ends[1:], strict=True)
    ]
    texts, tokens = tokenizer.split_to_word_tokens(list(heard.tokens))
    ends = list(accumulate((len(piece) for piece in tokens), initial=ends[-1]))
    pieces = (Spelling(text, first, end) for text, first, end in zip(texts, ends[:-1], ends[1:], strict=True))
    return committed + join_punctuation(pieces)


def _partial_words(request: DecodeRequest, spelled: Sequence[Spelling]) -> tuple[Word, ...]:
    committed = len(request.prefix)
    start_sample = request.prefix[-1].end_sample if committed else request.start_sample
    new_words = spread_words(spelled[committed:], min(start_sample, request.end_sample), request.end_sample)
    return request.prefix + new_words


def _answer(heard: _Heard, words: tuple[Word, ...]) -> Hypothesis:
    return _hypothesis(heard.plan.request, words, heard.language, heard.avg_logprob, heard.no_speech_probability)


def _hypothesis(
    request: DecodeRequest,
    words: tuple[Word, ...],
    language: str | None,
    avg_logprob: float | None = None,
    no_speech_probability: float | None = None,
) -> Hypothesis:
    return Hypothesis(
        request.session_id,
        request.utterance_id,
        request.revision,
        words,
        language=language,
        avg_logprob=avg_logprob,
        no_speech_probability=no_speech_probability,
    )


def _failed(error: Exception) -> EngineFailed:
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        advice = "a smaller model, an int8 compute type or a smaller batch needs less"
        failed = EngineFailed(f"Whisper ran out of memory: {advice}")
    else:
        failed = EngineFailed(f"Whisper failed: {error}")
    failed.__cause__ = error
    return failed
