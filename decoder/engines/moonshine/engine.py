"""Moonshine as an engine: English at half of Whisper's work for a final, as audio is encoded at its own length."""

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
        ModelError: no model is named, or a device that it has no use for.
    """
    return MoonshineEngine(settings)


class MoonshineEngine:
    """Moonshine on ONNX Runtime, on CPU. The contract is `decoder.engine.Engine`'s.

    The audio of a batch is encoded one after the other, for the encoder gains nothing from company, and padding would
    change its answers; the texts are written together. Several batches at a time share the weights. The last hypothesis
    of an utterance is the draft of the next, which is verified in one pass and only then written on. Partials of long
    utterances are cut at the end of a committed word.

    A cancelled `decode` returns at once; its thread ends after the step it is in.
    """

    def __init__(self, settings: EngineSettings) -> None:
        """Remember what to load.

        Args:
            settings: what is loaded, and how it computes.

        Raises:
            ModelError: no model is named, or a device that it has no use for.
        """
        if settings.model is None:
            raise ModelError("moonshine needs a model: a directory with its weights")
        if settings.device not in ("auto", "cpu"):
            raise ModelError(f"device {settings.device!r}: moonshine is allowed auto, cpu")
        self._directory = Path(settings.model).expanduser()
        self.info = EngineInfo("moonshine", self._directory.resolve().name, "cpu", (LANGUAGE,))
        self.max_batch = settings.max_batch
        self.parallel, self._cpu_threads = shared_cores(settings)
        self._drafts = DraftStore()
        self._work = EngineWork()
        self._counting = threading.Lock()
        self._limiter: anyio.CapacityLimiter | None = None
        self._network: Network | None = None
        self._loading = threading.Lock()

    @property
    def work(self) -> EngineWork:
        """What it has done up to now."""
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
            raise ModelError(f"model {self.info.model} decodes nothing: {answer}") from answer

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return one answer a request, in the same order; load the model if nobody has.

        Raises:
            ModelError: the model cannot be loaded.
        """
        self._drafts.admit(request.session_id for request in batch)
        if self._limiter is None:  # made on use: it belongs to an event loop
            self._limiter = anyio.CapacityLimiter(self.parallel)
        abandoned = threading.Event()
        try:
            return await anyio.to_thread.run_sync(
                partial(self._decode, tuple(batch), abandoned), abandon_on_cancel=True, limiter=self._limiter
            )
        finally:
            abandoned.set()

    def forget(self, session_id: str) -> None:
        """Drop what was last written of the session's utterance."""
        self._drafts.forget(session_id)

    async def aclose(self) -> None:
        """Free the model; a decode that was cancelled has it until its step is done."""
        self._network = None

    def _decode(
        self, batch: tuple[DecodeRequest, ...], abandoned: threading.Event
    ) -> tuple[Hypothesis | EngineError, ...]:
        def proceed() -> None:
            if abandoned.is_set():
                raise _AbandonedError

        with self._loading:
            proceed()
            network = self._network = self._network or Network(self._directory, self._cpu_threads)
        work = EngineWork()
        try:
            return BatchDecoder(network, self._drafts, work, proceed).answers(batch)
        finally:
            with self._counting:
                self._work += work


class _AbandonedError(Exception):
    """Ends a decode nobody waits for; nobody sees it."""
