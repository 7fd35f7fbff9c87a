"""Whisper as an engine: its networks in threads off the event loop, languages remembered by session."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import PriorityQueue

import anyio
import anyio.to_thread
import numpy as np

from decoder.engine import EngineInfo, EngineWork
from decoder.model_hub import ModelFormat, resolve_model
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineError, Hypothesis, ModelError, RequestKind
from decoder.whisper.batch_decoder import BatchDecoder, Decoded
from decoder.whisper.language_detection import SessionLanguages
from decoder.whisper.network import Network
from decoder.whisper.utterance_cache import UtteranceStore
from decoder.whisper.vocabulary import Vocabulary
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["Backend", "WhisperEngine"]

WARM_UP_SESSION = ""


@dataclass(frozen=True, slots=True)
class Backend:
    """The library that computes Whisper's network, and how it is used.

    Attributes:
        engine: its name in `decoder.engine.ENGINES`.
        device: cpu, cuda …
        parallel: networks, each of which computes for one batch at a time, ≥ 1.
        max_batch: most requests of one batch, ≥ 1.
        formats: of models that it reads, the preferred one first.
        load: makes that many networks of a model's directory; raises `ModelError`. Called once, in a thread.
    """

    engine: str
    device: str
    parallel: int
    max_batch: int
    formats: Sequence[ModelFormat]
    load: Callable[[Path, UtteranceStore], Sequence[Network]]


class WhisperEngine:
    """Whisper, whatever library computes it. The contract is `decoder.engine.Engine`'s.

    The weights are loaded once, and shared by a decoder for each batch that may be decoded at the same time. A
    cancelled `decode` returns at once. Its thread ends after the step it is in, and has its decoder until then, so that
    no decoder ever does two things at a time.
    """

    def __init__(self, settings: EngineSettings, backend: Backend) -> None:
        """Remember what to load.

        Args:
            settings: what is loaded, and how it decodes.
            backend: what computes it.

        Raises:
            ModelError: no model is named.
        """
        if settings.model is None:
            raise ModelError(f"{backend.engine} needs a model: a name as `livecue pull` takes, or a directory")
        self._name = settings.model
        self.info = EngineInfo(backend.engine, _common_name(self._name), backend.device)
        self._settings = settings
        self._backend = backend
        self._utterances = UtteranceStore()
        self._languages: dict[str, SessionLanguages] = {}  # session → what is known of its languages
        self.max_batch = backend.max_batch
        self.parallel = backend.parallel
        self._networks: tuple[Network, ...] = ()
        self._limiter: anyio.CapacityLimiter | None = None
        # The limiter alone is not enough: cancelling frees its token while the abandoned thread still runs. The lowest
        # come first, so that those in use lie close together.
        self._idle: PriorityQueue[tuple[int, BatchDecoder]] = PriorityQueue()
        self._loading = threading.Lock()

    @property
    def work(self) -> EngineWork:
        """What all networks have computed up to now."""
        return sum((network.work for network in self._networks), EngineWork())

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens of the model, which must be loaded."""
        return self._networks[0].vocabulary

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
            if not self._networks:
                self._load()
        with self._decoder() as decoder:
            proceed()
            return decoder.decode(batch, known, proceed)

    @contextmanager
    def _decoder(self) -> Iterator[BatchDecoder]:
        idle = self._idle.get()
        try:
            yield idle[1]
        finally:
            self._idle.put(idle)

    def _load(self) -> None:
        directory = resolve_model(self._name, offline=self._settings.offline, formats=self._backend.formats)
        networks = tuple(self._backend.load(directory, self._utterances))
        vocabulary = networks[0].vocabulary
        self.info = replace(self.info, languages=vocabulary.languages, translates=vocabulary.is_multilingual)
        for place, network in enumerate(networks):
            self._idle.put((place, BatchDecoder(network, self._settings, self._utterances)))
        self._networks = networks

    def _close(self) -> None:
        with self._loading, ExitStack() as all_idle:
            for _ in self._networks:
                all_idle.enter_context(self._decoder())
            for network in self._networks:
                network.close()


class _AbandonedError(Exception):
    """Ends a decode nobody waits for; nobody sees it."""


def _common_name(model: str) -> str:
    directory = Path(model).expanduser()
    return directory.resolve().name if directory.is_dir() else model


def _silence(kind: RequestKind) -> DecodeRequest:
    samples = np.zeros(SAMPLE_RATE_HZ, np.float32)
    return DecodeRequest(WARM_UP_SESSION, 0, 1, kind, samples, 0, deadline_s=0.0)
