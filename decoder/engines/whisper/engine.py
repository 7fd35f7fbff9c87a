"""Whisper as an engine: the model in threads off the event loop, languages remembered by session."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import anyio
import anyio.to_thread
import ctranslate2
import numpy as np

from decoder.cpu_cores import shared_cores
from decoder.engine import Engine, EngineInfo, EngineWork
from decoder.engines.whisper.batch_decoder import BatchDecoder, Decoded
from decoder.engines.whisper.language_detection import SessionLanguages
from decoder.engines.whisper.network import Network, load_model
from decoder.engines.whisper.utterance_cache import UtteranceStore
from decoder.model_hub import resolve_model
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

    The weights are loaded once, and shared by a decoder for each batch that may be decoded at the same time. A
    cancelled `decode` returns at once. Its thread ends after the step it is in, and has its decoder until then, so that
    no decoder ever does two things at a time.
    """

    def __init__(self, settings: EngineSettings, network: type[Network] = Network) -> None:
        """Remember what to load.

        Args:
            settings: what is loaded, and how it computes.
            network: what each worker makes of the loaded model.

        Raises:
            ModelError: no model is named.
        """
        if settings.model is None:
            raise ModelError("whisper needs a model: a name as `livecue pull` takes, or a directory")
        self._name = settings.model
        self.info = EngineInfo("whisper", _spoken_name(self._name), _chosen_device(settings.device))
        self._network = network
        self._settings = _shared_out(settings, self.info.device)
        self._utterances = UtteranceStore()
        self._languages: dict[str, SessionLanguages] = {}  # session → what is known of its languages
        self.max_batch = settings.max_batch
        self.parallel = self._settings.workers
        self._works = tuple(EngineWork() for _ in range(self.parallel))
        self._limiter: anyio.CapacityLimiter | None = None
        # The limiter alone is not enough: cancelling frees its token while the abandoned thread still runs.
        self._idle: SimpleQueue[BatchDecoder] = SimpleQueue()
        self._loading = threading.Lock()
        self._is_loaded = False

    @property
    def work(self) -> EngineWork:
        """What all decoders have done up to now."""
        return sum(self._works, EngineWork())

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
                self._languages.setdefault(request.session_id, SessionLanguages())
        session_ids = {request.session_id for request in batch}
        known = {session_id: self._languages[session_id] for session_id in session_ids & self._languages.keys()}
        abandoned = threading.Event()
        try:
            decoded = await anyio.to_thread.run_sync(
                partial(self._decode, tuple(batch), known, abandoned),
                abandon_on_cancel=True,
                limiter=self._threads(),
            )
        finally:
            abandoned.set()
        for session_id, languages in decoded.learned.items():
            if session_id in self._languages:  # else it was forgotten meanwhile
                self._languages[session_id] = languages
        return decoded.answers

    def forget(self, session_id: str) -> None:
        """Drop what is known of the session's languages and the spectrogram of its utterance."""
        self._languages.pop(session_id, None)
        self._utterances.forget(session_id)

    async def aclose(self) -> None:
        """Free the model, once all decodes that were cancelled are out of it."""
        await anyio.to_thread.run_sync(self._close, limiter=self._threads())

    def _threads(self) -> anyio.CapacityLimiter:
        if self._limiter is None:  # made on use: it belongs to an event loop
            self._limiter = anyio.CapacityLimiter(self.parallel)
        return self._limiter

    def _decode(
        self, batch: tuple[DecodeRequest, ...], known: dict[str, SessionLanguages], abandoned: threading.Event
    ) -> Decoded:
        def proceed() -> None:
            if abandoned.is_set():
                raise _AbandonedError

        with self._loading:
            proceed()
            if not self._is_loaded:
                self._load()
        with self._decoder() as decoder:
            proceed()
            return decoder.decode(batch, known, proceed)

    @contextmanager
    def _decoder(self) -> Iterator[BatchDecoder]:
        decoder = self._idle.get()
        try:
            yield decoder
        finally:
            self._idle.put(decoder)

    def _load(self) -> None:
        _check_device(self.info.device, self._settings.compute_type)
        directory = resolve_model(self._name, offline=self._settings.offline)
        loaded = load_model(directory, self._settings, self.info.device)
        decoders = [
            BatchDecoder(self._network(loaded, work), self._settings, self._utterances, work) for work in self._works
        ]
        self.info = replace(self.info, languages=decoders[0].languages, translates=decoders[0].translates)
        for decoder in decoders:
            self._idle.put(decoder)
        self._is_loaded = True

    def _close(self) -> None:
        with self._loading, ExitStack() as all_idle:
            if self._is_loaded:
                for decoder in [all_idle.enter_context(self._decoder()) for _ in self._works]:
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


def _chosen_compute_type(compute_type: str, device: str) -> str:
    """Return CTranslate2's type for `auto`: int8 on a CPU, as the model is stored elsewhere."""
    if compute_type != "auto":
        return compute_type
    return "int8" if device == "cpu" and "int8" in ctranslate2.get_supported_compute_types(device) else "default"


def _chosen_device(device: str) -> str:
    if device != "auto":
        return device
    return "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"


def _shared_out(settings: EngineSettings, device: str) -> EngineSettings:
    """Return the settings with the workers there are, and the cores shared out among them."""
    settings = replace(settings, compute_type=_chosen_compute_type(settings.compute_type, device))
    if device != "cpu":
        return replace(settings, workers=settings.workers or 1)
    workers, cpu_threads = shared_cores(settings)
    return replace(settings, workers=workers, cpu_threads=cpu_threads)


def _spoken_name(model: str) -> str:
    directory = Path(model).expanduser()
    return directory.resolve().name if directory.is_dir() else model


def _silence(kind: RequestKind) -> DecodeRequest:
    samples = np.zeros(SAMPLE_RATE_HZ, np.float32)
    return DecodeRequest(WARM_UP_SESSION, 0, 1, kind, samples, 0, deadline_s=0.0)
