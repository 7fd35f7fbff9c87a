"""Whisper as an engine: the model in one thread off the event loop, languages remembered by session."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import ctranslate2
import numpy as np

from decoder.engine import Engine, EngineInfo, EngineWork
from decoder.engines._whisper_model import BatchDecoder, Decoded
from decoder.engines._whisper_utterances import UtteranceStore
from decoder.models import resolve_model
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineError, Hypothesis, ModelError, RequestKind
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["WhisperEngine", "create"]

DEVICES = ("cpu", "cuda")

WARM_UP_SESSION = ""


def create(settings: EngineSettings) -> Engine:
    """Return an engine that loads its model in `warm_up`.

    Raises:
        ModelError: no model is named.
    """
    return WhisperEngine(settings)


class WhisperEngine:
    """Whisper on CTranslate2, on CPU or CUDA. The contract is `decoder.engine.Engine`'s.

    A cancelled `decode` returns at once. Its thread ends after the step it is in; the next decode waits for it, so
    the model never does two things at a time.
    """

    def __init__(self, settings: EngineSettings) -> None:
        """Remember what to load.

        Raises:
            ModelError: no model is named.
        """
        if settings.model is None:
            raise ModelError("whisper needs a model: a name as `livecue pull` takes, or a directory")
        self._settings = settings
        self._name = settings.model
        self._utterances = UtteranceStore()
        self._languages: dict[str, str | None] = {}  # session → its language; None: not known yet
        self._decoder: BatchDecoder | None = None
        self._limiter: anyio.CapacityLimiter | None = None
        # The limiter alone is not enough: cancelling frees its token while the abandoned thread still runs.
        self._model_in_use = threading.Lock()
        self.work = EngineWork()
        self.max_batch = settings.max_batch
        self.info = EngineInfo("whisper", _spoken_name(self._name), _chosen_device(settings.device))

    async def warm_up(self) -> None:
        """Load the model and decode a second of silence.

        Raises:
            ModelError: the model cannot be found, fetched, loaded or run as set.
        """
        try:
            for answer in await self.decode([_silence(RequestKind.PARTIAL), _silence(RequestKind.FINAL)]):
                if isinstance(answer, EngineError):
                    raise ModelError(f"model {self.info.model} decodes nothing: {answer}") from answer
        finally:
            self.forget(WARM_UP_SESSION)

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return one answer a request, in the same order; load the model if nobody has.

        Raises:
            ModelError: the model cannot be found, fetched, loaded or run as set.
        """
        self._utterances.admit(request.session_id for request in batch)
        for request in batch:
            if request.language is None:
                self._languages.setdefault(request.session_id, None)
        known = {session_id: language for session_id, language in self._languages.items() if language is not None}
        abandoned = threading.Event()
        try:
            decoded = await anyio.to_thread.run_sync(
                partial(self._decode, tuple(batch), known, abandoned),
                abandon_on_cancel=True,
                limiter=self._one_at_a_time(),
            )
        finally:
            abandoned.set()
        for session_id, language in decoded.learned.items():
            if session_id in self._languages:  # else it was forgotten meanwhile
                self._languages[session_id] = language
        return decoded.answers

    def forget(self, session_id: str) -> None:
        """Drop the session's language and the spectrogram of its utterance."""
        self._languages.pop(session_id, None)
        self._utterances.forget(session_id)

    async def aclose(self) -> None:
        """Free the model, once a decode that was cancelled is out of it."""
        await anyio.to_thread.run_sync(self._close, limiter=self._one_at_a_time())

    def _one_at_a_time(self) -> anyio.CapacityLimiter:
        if self._limiter is None:  # made on use: it belongs to an event loop
            self._limiter = anyio.CapacityLimiter(1)
        return self._limiter

    def _decode(self, batch: tuple[DecodeRequest, ...], known: dict[str, str], abandoned: threading.Event) -> Decoded:
        def proceed() -> None:
            if abandoned.is_set():
                raise _AbandonedError

        with self._model_in_use:
            proceed()
            if self._decoder is None:
                self._decoder = self._load()
            return self._decoder.decode(batch, known, proceed)

    def _load(self) -> BatchDecoder:
        _check_device(self.info.device, self._settings.compute_type)
        directory = resolve_model(self._name, offline=self._settings.offline)
        decoder = BatchDecoder(directory, self._settings, self.info.device, self._utterances, self.work)
        self.info = replace(self.info, languages=decoder.languages)
        return decoder

    def _close(self) -> None:
        with self._model_in_use:
            decoder, self._decoder = self._decoder, None
            if decoder is not None:
                decoder.close()


class _AbandonedError(Exception):
    """Ends a decode nobody waits for; nobody sees it."""


def _check_device(device: str, compute_type: str) -> None:
    if device not in DEVICES:
        raise ModelError(f"device {device!r}: allowed are auto, {', '.join(DEVICES)}")
    if device == "cuda" and ctranslate2.get_cuda_device_count() == 0:
        raise ModelError("device cuda: CTranslate2 finds no usable GPU here; allowed are auto, cpu")
    allowed = ("default", "auto", *sorted(ctranslate2.get_supported_compute_types(device)))
    if compute_type not in allowed:
        raise ModelError(f"compute type {compute_type!r} on {device}: allowed are {', '.join(allowed)}")


def _chosen_device(device: str) -> str:
    if device != "auto":
        return device
    return "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"


def _spoken_name(model: str) -> str:
    directory = Path(model).expanduser()
    return directory.resolve().name if directory.is_dir() else model


def _silence(kind: RequestKind) -> DecodeRequest:
    samples = np.zeros(SAMPLE_RATE_HZ, np.float32)
    return DecodeRequest(WARM_UP_SESSION, 0, 1, kind, samples, 0, deadline_s=0.0)
