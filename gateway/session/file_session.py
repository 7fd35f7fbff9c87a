"""A file as a session without a live client: the stages of live audio, decoded after everything live."""

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
from gateway.session.context import SessionContext
from gateway.session.pipeline import Pipeline
from gateway.session.pipeline_driver import PipelineDriver
from gateway.session.stage_options import PipelineSettings
from gateway.wire import CueEvent, Final, ServerEvent, SpeechEnded, Start, Stop
from gateway.wire.cue import Cue
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
        cues: the same words as subtitles, final, oldest first.
        avg_logprob: nats per token, ≤ 0; None where the engine does not say.
        no_speech_probability: 0..1; None where the engine does not say.
    """

    final: Final
    cues: tuple[Cue, ...]
    avg_logprob: float | None
    no_speech_probability: float | None


class FileSession:
    """Turns the audio of one file into passages.

    More audio is taken only while fewer than `max_outstanding` utterances lack a final, so no more than their audio is
    held of a file of any length. An utterance that fails is decoded up to twice more.

    Args:
        start: what is wanted; the audio is s16le mono 16 kHz.
        context: what is shared with other sessions.
        max_outstanding: utterances, at least 1.
        on_audio: called with each block's length in seconds before it is processed; what it raises ends the session.

    Raises:
        ProtocolError: an option that is not available.
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
    def audio_s(self) -> float:
        """How much audio has been processed, in seconds."""
        return self._pipeline.audio_end_sample / SAMPLE_RATE_HZ

    async def passages(self, blocks: AsyncIterable[bytes]) -> AsyncGenerator[Passage, None]:
        """Yield the passages, in order, each utterance as soon as it and all before it are decoded.

        To be closed (`contextlib.aclosing`): then outstanding requests are withdrawn.

        Args:
            blocks: s16le mono 16 kHz; the longer a block, the longer others wait while it is processed.

        Raises:
            EngineError: an utterance got no words.
        """
        start = self._start
        logger.info("file opened session=%s task=%s language=%s", self.session_id, start.task, start.language)
        try:
            async for block in blocks:
                self._on_audio(len(block) / _SAMPLE_BYTES / SAMPLE_RATE_HZ)
                self._driver.push_audio(block)
                await checkpoint()  # audio may come faster than it is processed, and others want their turn
                await self._make_room()
                for passage in self._collector.taken():
                    yield passage
            self._driver.handle(Stop())
            while not self._driver.is_finished:
                for passage in self._collector.taken():
                    yield passage
                await self._take_answers()
            for passage in self._collector.taken():
                yield passage
        finally:
            self._driver.close()
            self._report()

    def _report(self) -> None:
        stats = self._pipeline.stats
        for (kind, reason), count in stats.filtered.items():
            self._context.metrics.guarded.labels(kind, reason).inc(count)
        outcome = "finished" if self._driver.is_finished else "given_up"
        line = "file closed session=%s outcome=%s audio_s=%.1f finals=%d"
        logger.info(line, self.session_id, outcome, self.audio_s, stats.finals)

    async def _make_room(self) -> None:
        if self._driver.waiting_answers:
            await self._take_answers()
        while self._collector.outstanding >= self._max_outstanding:
            await self._take_answers()

    async def _take_answers(self) -> None:
        """Wait for an answer, and take in all there are."""
        self._take(await self._driver.next_answer())
        while self._driver.waiting_answers:
            self._take(await self._driver.next_answer())

    def _take(self, answer: Answer) -> None:
        self._collector.note(answer)
        self._driver.take(answer)


class _PassageCollector:
    """Collects the events of a file's pipeline into passages."""

    def __init__(self) -> None:
        self.outstanding = 0
        """Utterances that have ended and have no final."""
        self._outcomes: dict[int, Hypothesis | EngineError] = {}
        """The latest of each of them that has been answered."""
        self._cues: list[Cue] = []
        """Of the utterance whose final comes next."""
        self._passages: deque[Passage] = deque()

    def note(self, answer: Answer) -> None:
        """Remember an answer that the pipeline is about to take in."""
        self._outcomes[answer.request.utterance_id] = answer.outcome

    def append(self, event: ServerEvent) -> None:
        """Collect the next event.

        Raises:
            EngineError: an utterance got no words.
        """
        match event:
            case SpeechEnded():
                self.outstanding += 1
            case CueEvent(cue=cue):
                self._cues.append(cue)
            case Final():
                self.outstanding -= 1
                self._add(event)
            case _:  # what only a live client is interested in
                pass

    def close(self, error: LivecueError | None = None) -> None:
        """Expect no more events."""

    def taken(self) -> Iterator[Passage]:
        """Take out the passages that are complete, oldest first."""
        while self._passages:
            yield self._passages.popleft()

    def _add(self, final: Final) -> None:
        outcome = self._outcomes.pop(final.utterance_id)
        if isinstance(outcome, EngineError):
            raise _located(outcome, final)
        cues, self._cues = tuple(self._cues), []
        self._passages.append(Passage(final, cues, outcome.avg_logprob, outcome.no_speech_probability))


def _unacknowledged(settings: PipelineSettings) -> PipelineSettings:
    return replace(settings, session=replace(settings.session, ack_interval_s=inf))


def _located(error: EngineError, final: Final) -> EngineError:
    """Return the error with the place in the file that it keeps from having words."""
    located, start_s, end_s = copy(error), final.start_sample / SAMPLE_RATE_HZ, final.end_sample / SAMPLE_RATE_HZ
    located.args = (f"{error} (the file's audio from {start_s:.1f} to {end_s:.1f} s)",)
    return located
