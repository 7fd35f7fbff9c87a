"""Moonshine as an engine: English at half of Whisper's work for a final, as audio is encoded at its own length."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np

from decoder._audio_checks import refused_audio
from decoder._cores import shared_cores
from decoder.engine import Engine, EngineInfo, EngineWork
from decoder.engines._moonshine_decoding import Text, token_limit, write
from decoder.engines._moonshine_drafts import DraftStore
from decoder.engines._moonshine_network import RUN_ERRORS, Network, Reader
from decoder.engines._moonshine_words import avg_logprob, words_of
from decoder.settings import EngineSettings
from decoder.types import (
    DecodeRequest,
    EngineError,
    EngineFailed,
    Hypothesis,
    ModelError,
    RequestKind,
    Task,
    Word,
)
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["MoonshineEngine", "create"]

LANGUAGE = "en"

DOUBTFUL_END_PROBABILITY = 1e-4
"""Moonshine has no token for silence, but where nobody speaks an empty text is likelier: its probability is 0.0002 to
0.0055 in 45 stretches of noise, hum, music and silence, and below 0.0001 for 92 of 100 utterances, meetings and noisy
ones included. At this much speech is as likely as none."""

WARM_UP_SESSION = ""


def create(settings: EngineSettings) -> Engine:
    """Return an engine that loads its model in `warm_up`.

    Raises:
        ModelError: no model is named, or a device that it has no use for.
    """
    return MoonshineEngine(settings)


class MoonshineEngine:
    """Moonshine on ONNX Runtime, on CPU. The contract is `decoder.engine.Engine`'s.

    Requests of a batch are decoded one after the other: the encoder gains nothing from company, and padding would
    change its answers. Several batches at a time share the weights. The last hypothesis of an utterance is the draft of
    the next, which is verified in one pass and only then written on.

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
        return tuple(self._answer(request, network, proceed) for request in batch)

    def _answer(
        self, request: DecodeRequest, network: Network, proceed: Callable[[], None]
    ) -> Hypothesis | EngineError:
        refused = _refuse(request)
        if refused is not None:
            return refused
        work = EngineWork()
        try:
            return self._hypothesis(request, network, work, proceed)
        except UnicodeEncodeError as error:  # lone surrogates
            return EngineFailed(f"prefix is no text: {error}")
        except RUN_ERRORS as error:
            failed = EngineFailed(f"Moonshine failed: {error}")
            failed.__cause__ = error
            return failed
        finally:
            with self._counting:
                self._work += work

    def _hypothesis(
        self, request: DecodeRequest, network: Network, work: EngineWork, proceed: Callable[[], None]
    ) -> Hypothesis:
        proceed()
        forced = tuple(token for word in request.forced for token in network.tokenizer.tokens(word.text))
        limit = token_limit(len(request.samples))
        if not len(request.samples) or len(forced) >= limit:  # no room for another word
            return _hypothesis(request, request.forced)
        states = network.encode(request.samples, work)
        proceed()
        text = write(Reader(network, states, work), forced, self._drafts.of(request), limit, proceed)
        self._drafts.keep(request, text.tokens)
        words = words_of(text, len(forced), request, network.tokenizer)
        return _hypothesis(request, words, text, avg_logprob(text, network.tokenizer))


class _AbandonedError(Exception):
    """Ends a decode nobody waits for; nobody sees it."""


def _refuse(request: DecodeRequest) -> EngineFailed | None:
    """Return why the request cannot be decoded, or None."""
    if request.language not in (None, LANGUAGE):
        return EngineFailed(f"language {request.language!r}: this Moonshine writes {LANGUAGE!r} only")
    if request.task is Task.TRANSLATE:
        return EngineFailed("task translate: Moonshine knows one language, and writes what was said")
    return refused_audio(request.samples)


def _hypothesis(
    request: DecodeRequest, words: tuple[Word, ...], text: Text | None = None, avg_logprob: float | None = None
) -> Hypothesis:
    return Hypothesis(
        request.session_id,
        request.utterance_id,
        request.revision,
        words,
        language=LANGUAGE,
        avg_logprob=avg_logprob,
        no_speech_probability=_no_speech_probability(text.end_probability) if text else None,
    )


def _no_speech_probability(end_probability: float) -> float:
    return end_probability / (end_probability + DOUBTFUL_END_PROBABILITY)
