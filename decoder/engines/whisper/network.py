"""Run Whisper's network on CTranslate2: encode, generate and align many windows per call."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import ctranslate2
import numpy as np
from ctranslate2.models import WhisperGenerationResult
from faster_whisper import WhisperModel

from decoder.engine import EngineWork
from decoder.engines.whisper.encoded_silence import SilenceOutputs
from decoder.engines.whisper.encoder_output import EncoderRow, joined, to_array
from decoder.settings import EngineSettings
from decoder.types import ModelError
from decoder.whisper.batch_plan import (
    CONTEXT_TOKENS,
    FRAMES_PER_SECOND,
    FULL_WINDOW_FRAMES,
    LATEST_FIRST_TIME,
    Plan,
    Window,
    frame_count,
    runs,
    window_frames,
)
from decoder.whisper.network import Alignment, Encoded, Generated
from decoder.whisper.timestamp_tokens import split_times
from decoder.whisper.utterance_cache import UtteranceStore
from decoder.whisper.vocabulary import Vocabulary
from vad.audio import Float32

__all__ = ["CTranslate2Network", "load_model"]

TIMED_FRAMES_LEAST = 2
"""One encoder position."""


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


class CTranslate2Network:
    """A loaded model. The contract is `decoder.whisper.network.Network`'s."""

    verifies_drafts = False

    is_usable = True

    def __init__(self, loaded: WhisperModel, utterances: UtteranceStore) -> None:
        """Wrap a loaded model.

        Args:
            loaded: from `load_model`.
            utterances: cache of the utterances in progress; may be shared.
        """
        self._model = loaded.model
        self._utterances = utterances
        self._mel_filters: Float32 = loaded.feature_extractor.mel_filters
        self._silence = SilenceOutputs(self._encode_silence)
        self.work = EngineWork()
        self.vocabulary = Vocabulary(
            loaded.hf_tokenizer, loaded.supported_languages, is_multilingual=loaded.model.is_multilingual
        )

    def close(self) -> None:
        """Free the weights, which other networks may share; none of them may be computing."""
        self._model.unload_model()

    def window_frames(self, audio_samples: int, window: Window) -> int:
        """Return the frames that audio of that length is padded to."""
        return window_frames(audio_samples, window)

    def encode(self, plans: Sequence[Plan]) -> list[Encoded]:
        """Return the window of each plan, encoded, followed by silence up to 30 s."""
        encoded: dict[int, Encoded] = {}
        by_length = sorted(range(len(plans)), key=lambda row: plans[row].frames)
        for first, end in runs([plans[row].frames for row in by_length]):
            rows = by_length[first:end]
            started_s = time.thread_time()
            log_mels = [
                self._utterances.window(plans[row].request, self._mel_filters, plans[row].frames) for row in rows
            ]
            self.work.features_s += time.thread_time() - started_s
            encoded.update(zip(rows, self._encode(log_mels), strict=True))
        return [encoded[row] for row in range(len(plans))]

    def _encode(self, log_mels: Sequence[Float32]) -> list[Encoded]:
        features = np.stack(log_mels)
        self.work.encoder_s += features.shape[0] * features.shape[-1] / FRAMES_PER_SECOND
        output = self._model.encode(ctranslate2.StorageView.from_array(features))
        if features.shape[-1] < FULL_WINDOW_FRAMES:
            completed = self._silence.complete(to_array(output), log_mels)
            output = ctranslate2.StorageView.from_array(completed)
        return [EncoderRow(output, row) for row in range(len(log_mels))]

    def _encode_silence(self, features: Float32) -> Float32:
        """Return the output for silence; not counted as work, because it runs only a few times per process."""
        return to_array(self._model.encode(ctranslate2.StorageView.from_array(features)))

    def detect_language(self, encoded: Sequence[Encoded]) -> list[dict[str, float]]:
        """Return for each window the probability of each language, 0..1."""
        languages = self.vocabulary.languages
        return [
            {token[2:-2]: probability for token, probability in detected if token[2:-2] in languages}
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
        starts = [
            [*plan.context, *self.vocabulary.start(plan, language)]
            for plan, language in zip(plans, languages, strict=True)
        ]
        prompts = [
            [*start, *self.vocabulary.before_text(plan), *plan.prefix_tokens]
            for plan, start in zip(plans, starts, strict=True)
        ]
        # CTranslate2 counts text, prefix included, from the last task token, and truncates it at the
        # smaller of half of max_length and max_length less the task tokens.
        plan, task_tokens = plans[0], len(starts[0])
        limit = min(plan.generated_limit, CONTEXT_TOKENS - task_tokens)
        sampling = {"sampling_topk": 0, "sampling_temperature": temperature} if temperature else {}
        results = self._model.generate(
            joined(encoded),
            prompts,
            beam_size=1 if temperature else plan.beam_size,
            max_length=max(2 * limit, limit + task_tokens),
            suppress_blank=plan.suppresses_blank,
            suppress_tokens=list(self.vocabulary.suppressed),
            max_initial_timestamp_index=LATEST_FIRST_TIME,
            return_scores=True,
            return_no_speech_prob=True,
            **sampling,
        )
        return [self._generated(*each, limit) for each in zip(plans, encoded, languages, results, strict=True)]

    def align(self, texts: Sequence[Generated]) -> list[Alignment]:
        """Return the alignment of each text with its audio.

        Args:
            texts: of one language and task.
        """
        aligned = self._model.align(
            joined([item.encoded for item in texts]),
            list(self.vocabulary.start(texts[0].plan, texts[0].language)),
            [[*item.plan.prefix_tokens, *item.tokens] for item in texts],
            [max(TIMED_FRAMES_LEAST, frame_count(len(item.plan.request.samples))) for item in texts],
        )
        return [Alignment(item.alignments, item.text_token_probs) for item in aligned]

    def score(self, text: Generated, alternatives: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the probability of each token of each alternative text of the same audio, 0..1.

        Args:
            text: whose audio, language and task are used.
            alternatives: tokens of each, at least one.
        """
        encoded = to_array(joined([text.encoded]))
        scored = self._model.align(
            ctranslate2.StorageView.from_array(np.repeat(encoded, len(alternatives), axis=0)),
            list(self.vocabulary.start(text.plan, text.language)),
            [list(tokens) for tokens in alternatives],
            [max(TIMED_FRAMES_LEAST, frame_count(len(text.plan.request.samples)))] * len(alternatives),
        )
        return [item.text_token_probs for item in scored]

    def _generated(
        self, plan: Plan, encoded: Encoded, language: str, result: WhisperGenerationResult, limit: int
    ) -> Generated:
        tokens, eot = result.sequences_ids[0], self.vocabulary.eot
        forced = len(plan.prefix_tokens)
        self.work.decoder_steps += min(len(tokens) + 1, limit)  # CTranslate2 takes a step for each forced token too
        # The score is the sum over the new tokens and the end of text, divided by all tokens, forced ones included;
        # it is -∞ if there is no token.
        total = result.scores[0] * len(tokens) if tokens else None
        new_tokens = tokens[forced : plan.limit]
        text = split_times([token for token in new_tokens if token != eot], self.vocabulary.first_time)
        return Generated(
            plan,
            encoded,
            language,
            tuple(token for token in text.tokens if token < eot),
            text.rest_sample,
            None if total is None else min(total / (len(tokens) - forced + 1), 0.0),
            result.no_speech_prob,
        )
