"""Run Whisper as an engine: its networks in worker threads, with the language state of each session."""

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
    """The library that computes Whisper's network, and its configuration.

    Attributes:
        engine: its name in `decoder.engine.ENGINES`.
        device: cpu, cuda …
        parallel: number of networks, each of which computes one batch at a time, ≥ 1.
        max_batch: maximum number of requests of a batch, ≥ 1.
        formats: model formats that it reads, the preferred one first.
        load: loads `parallel` networks from a model's directory; raises `ModelError`. Called once, in a thread.
    """

    engine: str
    device: str
    parallel: int
    max_batch: int
    formats: Sequence[ModelFormat]
    load: Callable[[Path, UtteranceStore], Sequence[Network]]


class WhisperEngine:
    """Whisper on any backend. The contract is `decoder.engine.Engine`'s.

    The weights are loaded once and shared by the decoders, one for each batch that may be decoded at the same time. A
    cancelled `decode` returns at once. Its thread ends after the current step and holds its decoder until then, so that
    no decoder is ever used by two threads at a time.
    """

    def __init__(self, settings: EngineSettings, backend: Backend) -> None:
        """Create an engine; `warm_up` or the first `decode` loads the model.

        Args:
            settings: the model, and how it decodes.
            backend: the library that computes it.

        Raises:
            ModelError: the settings name no model.
        """
        if settings.model is None:
            raise ModelError(
                f"{backend.engine} needs a model: expected a name that `livecue pull` accepts, or a directory"
            )
        self._name = settings.model
        self.info = EngineInfo(backend.engine, _common_name(self._name), backend.device, is_usable=self._is_usable)
        self._settings = settings
        self._backend = backend
        self._utterances = UtteranceStore()
        self._languages: dict[str, SessionLanguages] = {}  # by session
        self.max_batch = backend.max_batch
        self.parallel = backend.parallel
        self._networks: tuple[Network, ...] = ()
        self._limiter: anyio.CapacityLimiter | None = None
        # The limiter alone is not enough: cancelling frees its token while the abandoned thread still runs. The decoder
        # with the lowest index is taken first, so that the decoders in use lie close together.
        self._idle: PriorityQueue[tuple[int, BatchDecoder]] = PriorityQueue()
        self._loading = threading.Lock()

    @property
    def work(self) -> EngineWork:
        """Total work of all networks since they were loaded."""
        return sum((network.work for network in self._networks), EngineWork())

    @property
    def vocabulary(self) -> Vocabulary:
        """Vocabulary of the model, which must be loaded."""
        return self._networks[0].vocabulary

    async def warm_up(self) -> None:
        """Load the model and decode a second of silence.

        Raises:
            ModelError: the model cannot be found, fetched, loaded or run as set.
        """
        try:
            for answer in await self.decode([_silence(RequestKind.PARTIAL), _silence(RequestKind.FINAL)]):
                if isinstance(answer, EngineError):
                    raise ModelError(
                        f"model {self.info.model} failed to decode silence at warm-up: {answer}"
                    ) from answer
        finally:
            self.forget(WARM_UP_SESSION)

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return one answer per request, in the same order; load the model if it is not loaded yet.

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
        """Drop the session's language state and its cached utterance."""
        self._languages.pop(session_id, None)
        self._utterances.forget(session_id)

    async def aclose(self) -> None:
        """Free the model, once all cancelled decodes have left it."""
        await anyio.to_thread.run_sync(self._close, limiter=self._threads())

    def _is_usable(self) -> bool:
        # All of them: requests go to each in turn.
        return all(network.is_usable for network in self._networks)

    def _threads(self) -> anyio.CapacityLimiter:
        if self._limiter is None:  # created on first use: it belongs to an event loop
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
    """Ends the thread of a cancelled decode; never reaches a caller."""


def _common_name(model: str) -> str:
    directory = Path(model).expanduser()
    return directory.resolve().name if directory.is_dir() else model


def _silence(kind: RequestKind) -> DecodeRequest:
    samples = np.zeros(SAMPLE_RATE_HZ, np.float32)
    return DecodeRequest(WARM_UP_SESSION, 0, 1, kind, samples, 0, deadline_s=0.0)
