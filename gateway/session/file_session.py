"""Transcribes a file through the stages of live audio, at a lower priority than live sessions."""

import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from math import inf
from uuid import uuid4

from anyio.lowlevel import checkpoint

from decoder.scheduler import Answer
from decoder.types import EngineError, Hypothesis
from gateway.captions.cue_profiles import CueProfile
from gateway.session.context import SessionContext
from gateway.session.pipeline import Pipeline
from gateway.session.pipeline_driver import PipelineDriver
from gateway.session.stage_options import PipelineSettings, cue_profile_of
from gateway.wire import Final, ServerEvent, SpeechEnded, Start, Stop
from vad.audio import SAMPLE_RATE_HZ
from vad.errors import LivecueError

__all__ = ["FileSession", "Passage"]

logger = logging.getLogger("livecue.files")

_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Passage:
    """The transcript of one utterance of a file.

    Attributes:
        final: its words; without an error.
        avg_logprob: nats per token, ≤ 0; None: the engine does not report it.
        no_speech_probability: 0..1; None: the engine does not report it.
    """

    final: Final
    avg_logprob: float | None
    no_speech_probability: float | None


class FileSession:
    """Turns the audio of one file into passages.

    It reads audio only while fewer than `max_outstanding` finals are outstanding, so memory is bounded for a file of
    any length. An utterance that fails is retried up to twice.

    Args:
        start: the request's options; the audio is s16le mono 16 kHz.
        context: shared by all sessions.
        max_outstanding: limit of outstanding finals, at least 1.
        on_audio: called with each block's length in seconds before it is processed; an error that it raises ends the
            session.

    Raises:
        ProtocolError: an option is not available.
    """

    def __init__(
        self,
        start: Start,
        context: SessionContext,
        max_outstanding: int,
        on_audio: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.session_id = f"file-{uuid4().hex}"
        self._start = replace(start, partials=False, words=True, file=True)
        self._context = context
        self._max_outstanding = max_outstanding
        self._on_audio = on_audio
        self._pipeline = Pipeline(self.session_id, self._start, _unacknowledged(context.settings), context.engine)
        self._collector = _PassageCollector()
        self._driver = PipelineDriver(self._pipeline, context.scheduler, self._collector)

    @property
    def cue_profile(self) -> CueProfile:
        """Of its subtitles."""
        return cue_profile_of(self._start, self._context.settings.session)[0]

    @property
    def audio_s(self) -> float:
        """Seconds of audio processed."""
        return self._pipeline.audio_end_sample / SAMPLE_RATE_HZ

    async def passages(self, blocks: AsyncIterable[bytes]) -> AsyncGenerator[Passage, None]:
        """Yield the passages in order, each as soon as it and all before it are decoded.

        Close the generator (`contextlib.aclosing`), which cancels outstanding requests.

        Args:
            blocks: s16le mono 16 kHz; a long block delays other sessions while it is processed.

        Raises:
            EngineError: decoding an utterance failed.
        """
        start = self._start
        logger.info("file opened session=%s task=%s language=%s", self.session_id, start.task, start.language)
        try:
            async for block in blocks:
                self._on_audio(len(block) / _SAMPLE_BYTES / SAMPLE_RATE_HZ)
                self._driver.push_audio(block)
                await checkpoint()  # audio may come faster than it is processed; let others run
                await self._make_room()
                for passage in self._collector.pop_complete():
                    yield passage
            self._driver.handle(Stop())
            while not self._driver.is_finished:
                for passage in self._collector.pop_complete():
                    yield passage
                await self._handle_answers()
            for passage in self._collector.pop_complete():
                yield passage
        finally:
            self._driver.close()
            self._report()

    def _report(self) -> None:
        stats = self._pipeline.stats
        for (kind, reason), count in stats.filtered.items():
            self._context.metrics.guarded.labels(kind, reason).inc(count)
        outcome = "finished" if self._driver.is_finished else "aborted"
        line = "file closed session=%s outcome=%s audio_s=%.1f finals=%d"
        logger.info(line, self.session_id, outcome, self.audio_s, stats.finals)

    async def _make_room(self) -> None:
        if self._driver.queued_answers:
            await self._handle_answers()
        while self._collector.outstanding >= self._max_outstanding:
            await self._handle_answers()

    async def _handle_answers(self) -> None:
        """Wait for an answer, and handle all that are queued."""
        self._handle(await self._driver.next_answer())
        while self._driver.queued_answers:
            self._handle(await self._driver.next_answer())

    def _handle(self, answer: Answer) -> None:
        self._collector.record(answer)
        self._driver.handle_answer(answer)


class _PassageCollector:
    """Collects the events of a file's pipeline into passages."""

    def __init__(self) -> None:
        self.outstanding = 0
        """Utterances that have ended without a final so far."""
        self._outcomes: dict[int, Hypothesis | EngineError] = {}
        """The latest outcome of each outstanding utterance."""
        self._passages: deque[Passage] = deque()

    def record(self, answer: Answer) -> None:
        """Record an answer before the pipeline handles it."""
        self._outcomes[answer.request.utterance_id] = answer.outcome

    def append(self, event: ServerEvent) -> None:
        """Collect the next event.

        Raises:
            EngineError: decoding an utterance failed.
        """
        match event:
            case SpeechEnded():
                self.outstanding += 1
            case Final():
                self.outstanding -= 1
                self._add(event)
            case _:  # of use to live clients only
                pass

    def close(self, error: LivecueError | None = None) -> None:
        """Do nothing: passages are complete as their finals come."""

    def pop_complete(self) -> Iterator[Passage]:
        """Remove and yield the complete passages, oldest first."""
        while self._passages:
            yield self._passages.popleft()

    def _add(self, final: Final) -> None:
        outcome = self._outcomes.pop(final.utterance_id)
        if isinstance(outcome, EngineError):
            raise _with_span(outcome, final)
        self._passages.append(Passage(final, outcome.avg_logprob, outcome.no_speech_probability))


def _unacknowledged(settings: PipelineSettings) -> PipelineSettings:
    return replace(settings, session=replace(settings.session, ack_interval_s=inf))


def _with_span(error: EngineError, final: Final) -> EngineError:
    """Return a copy of the error whose message names the span of the file."""
    located, start_s, end_s = copy(error), final.start_sample / SAMPLE_RATE_HZ, final.end_sample / SAMPLE_RATE_HZ
    located.args = (f"{error} (the file's audio from {start_s:.1f} to {end_s:.1f} s)",)
    return located
