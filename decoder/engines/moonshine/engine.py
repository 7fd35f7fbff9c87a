"""The Moonshine engine: English at half the cost of Whisper for a final, because audio is not padded to a window."""

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np

from decoder.cpu_cores import shared_cores
from decoder.engine import Engine, EngineInfo, EngineWork
from decoder.engines.moonshine.batch_decoder import LANGUAGE, BatchDecoder
from decoder.engines.moonshine.draft_cache import DraftStore
from decoder.engines.moonshine.network import Network
from decoder.settings import EngineSettings
from decoder.types import (
    DecodeRequest,
    EngineError,
    Hypothesis,
    ModelError,
    RequestKind,
)
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["MoonshineEngine", "create"]

WARM_UP_SESSION = ""


def create(settings: EngineSettings) -> Engine:
    """Return an engine that loads its model in `warm_up`.

    Raises:
        ModelError: the settings name no model, or an unsupported device.
    """
    return MoonshineEngine(settings)


class MoonshineEngine:
    """Moonshine on ONNX Runtime, on CPU. The contract is `decoder.engine.Engine`'s.

    The audio of a batch is encoded one request after the other, because the encoder gains nothing from batching, and
    padding would change its output; the texts are generated together. Concurrent batches share the weights. The latest
    hypothesis of an utterance is the draft of the next, which is verified in one pass and then continued. Partials of
    long utterances are cut at the end of a committed word.

    A cancelled `decode` returns at once; its thread ends after the current step.
    """

    def __init__(self, settings: EngineSettings) -> None:
        """Store the settings; `warm_up` loads the model.

        Args:
            settings: model, batch size, workers and threads.

        Raises:
            ModelError: the settings name no model, or an unsupported device.
        """
        if settings.model is None:
            raise ModelError("moonshine needs a model: expected a directory with its weights")
        if settings.device not in ("auto", "cpu"):
            raise ModelError(f"device {settings.device!r} is not supported by moonshine: expected auto or cpu")
        self._directory = Path(settings.model).expanduser()
        self.info = EngineInfo("moonshine", self._directory.resolve().name, "cpu", (LANGUAGE,))
        self.max_batch = settings.max_batch
        self.parallel, self._cpu_threads = shared_cores(settings)
        self._drafts = DraftStore()
        self._work = EngineWork()
        self._work_lock = threading.Lock()
        self._limiter: anyio.CapacityLimiter | None = None
        self._network: Network | None = None
        self._load_lock = threading.Lock()

    @property
    def work(self) -> EngineWork:
        """The work done so far."""
        return self._work

    async def warm_up(self) -> None:
        """Load the model and decode a second of silence.

        Raises:
            ModelError: the model cannot be loaded.
        """
        samples = np.zeros(SAMPLE_RATE_HZ, np.float32)
        silence = DecodeRequest(WARM_UP_SESSION, 0, 1, RequestKind.FINAL, samples, 0, deadline_s=0.0)
        [answer] = await self.decode([silence])
        self.forget(WARM_UP_SESSION)
        if isinstance(answer, EngineError):
            raise ModelError(f"model {self.info.model} cannot decode: {answer}") from answer

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return one answer per request, in the same order; load the model if it is not loaded.

        Raises:
            ModelError: the model cannot be loaded.
        """
        self._drafts.admit(request.session_id for request in batch)
        if self._limiter is None:  # created on use, because it belongs to an event loop
            self._limiter = anyio.CapacityLimiter(self.parallel)
        abandoned = threading.Event()
        try:
            return await anyio.to_thread.run_sync(
                partial(self._decode, tuple(batch), abandoned), abandon_on_cancel=True, limiter=self._limiter
            )
        finally:
            abandoned.set()

    def forget(self, session_id: str) -> None:
        """Discard the draft of a session."""
        self._drafts.forget(session_id)

    async def aclose(self) -> None:
        """Free the model; a cancelled decode holds it until its current step ends."""
        self._network = None

    def _decode(
        self, batch: tuple[DecodeRequest, ...], abandoned: threading.Event
    ) -> tuple[Hypothesis | EngineError, ...]:
        def proceed() -> None:
            if abandoned.is_set():
                raise _AbandonedError

        with self._load_lock:
            proceed()
            network = self._network = self._network or Network(self._directory, self._cpu_threads)
        work = EngineWork()
        try:
            return BatchDecoder(network, self._drafts, work, proceed).answers(batch)
        finally:
            with self._work_lock:
                self._work += work


class _AbandonedError(Exception):
    """Ends the thread of a cancelled decode; no caller receives it."""
