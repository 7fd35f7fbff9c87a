"""A file as a session that nobody waits for: the stages of live sound, decoded after everything live."""

import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from math import inf
from uuid import uuid4

import anyio
from anyio.lowlevel import checkpoint

from decoder.scheduler import Answer
from decoder.types import DecodeRequest, EngineError, Hypothesis, Task
from gateway.session.pipeline import Effect, Pipeline, PipelineSettings
from gateway.session.session import SessionContext
from gateway.wire import CueEvent, Final, Finished, Start
from gateway.wire.cue import Cue
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["FileOptions", "FileSession", "Passage"]

logger = logging.getLogger("livecue.files")

_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What is to be made of a file.

    Attributes:
        start: language, prompt and endpointing; the sound is s16le mono 16 kHz.
        task: what is to be written.
        temperature: 0..1, as of `DecodeRequest`.
    """

    start: Start
    task: Task = Task.TRANSCRIBE
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Passage:
    """What was said in one utterance of a file.

    Attributes:
        final: its words; without an error.
        cues: the same words as they are shown, final, oldest first.
        avg_logprob: nats per token, ≤ 0; None where the engine does not say.
        no_speech_probability: 0..1; None where the engine does not say.
    """

    final: Final
    cues: tuple[Cue, ...]
    avg_logprob: float | None
    no_speech_probability: float | None


class FileSession:
    """Turns the sound of one file into passages.

    The next sound is taken only while fewer than `max_outstanding` utterances have no final, so what is held of a file
    of any length is their sound. An utterance that fails is decoded up to twice more.

    Args:
        wishes: what is to be made of it.
        context: what is shared with other sessions.
        max_outstanding: utterances, at least 1.
        on_heard: called with each block's length in seconds before it is heard; what it raises ends the session.

    Raises:
        ProtocolError: a wish that cannot be met.
    """

    def __init__(
        self,
        wishes: FileOptions,
        context: SessionContext,
        max_outstanding: int,
        on_heard: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.session_id = f"file-{uuid4().hex}"
        self._wishes = wishes
        self._context = context
        self._max_outstanding = max_outstanding
        self._on_heard = on_heard
        start = replace(wishes.start, partials=False, words=True, file=True)
        self._pipeline = Pipeline(self.session_id, start, _unacknowledged(context.settings), context.engine)
        self._answers: deque[Answer] = deque()
        """One for each request outstanding, at most."""
        self._answered = anyio.Event()
        self._asked: set[int] = set()
        """The utterances without a final."""
        self._outcomes: dict[int, Hypothesis | EngineError] = {}
        """The latest of each of them that has been answered."""
        self._cues: list[Cue] = []
        """Of the utterance whose final comes next."""
        self._passages: deque[Passage] = deque()
        self._is_finished = False

    @property
    def heard_s(self) -> float:
        """How much sound has been heard, in seconds."""
        return self._pipeline.audio_end_sample / SAMPLE_RATE_HZ

    async def passages(self, blocks: AsyncIterable[bytes]) -> AsyncGenerator[Passage, None]:
        """Yield what is said, in order, each utterance as soon as it and all before it are decoded.

        To be closed (`contextlib.aclosing`): then what is still asked of the engine is taken back.

        Args:
            blocks: s16le mono 16 kHz; the longer a block, the longer others wait while it is heard.

        Raises:
            EngineError: an utterance got no words.
        """
        start = self._wishes.start
        logger.info("file opened session=%s task=%s language=%s", self.session_id, self._wishes.task, start.language)
        try:
            async for block in blocks:
                self._on_heard(len(block) / _SAMPLE_BYTES / SAMPLE_RATE_HZ)
                self._apply(self._pipeline.push_audio(block, self._context.clock()))
                await checkpoint()  # sound may come faster than it is heard, and others want their turn
                await self._make_room()
                for passage in self._said():
                    yield passage
            self._apply(self._pipeline.stop(self._context.clock()))
            while not self._is_finished:
                for passage in self._said():
                    yield passage
                await self._take_answers()
            for passage in self._said():
                yield passage
        finally:
            self._context.scheduler.forget(self.session_id)
            self._report()

    def _report(self) -> None:
        for (kind, reason), count in self._pipeline.guarded.items():
            self._context.metrics.guarded.labels(kind, reason).inc(count)
        outcome, finals = "finished" if self._is_finished else "given_up", self._pipeline.finals
        line = "file closed session=%s outcome=%s audio_s=%.1f finals=%d"
        logger.info(line, self.session_id, outcome, self.heard_s, finals)

    def _said(self) -> Iterator[Passage]:
        while self._passages:
            yield self._passages.popleft()

    async def _make_room(self) -> None:
        if self._answers:
            await self._take_answers()
        while len(self._asked) >= self._max_outstanding:
            await self._take_answers()

    def _deliver(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._answered.set()

    async def _take_answers(self) -> None:
        """Wait for an answer at least, and take all there are."""
        await self._answered.wait()
        self._answered = anyio.Event()
        while self._answers:
            self._take(self._answers.popleft())

    def _take(self, answer: Answer) -> None:
        self._outcomes[answer.request.utterance_id] = answer.outcome
        self._apply(self._pipeline.answer(answer, self._context.clock()))

    def _apply(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case DecodeRequest():
                    wishes = self._wishes
                    request = replace(effect, task=wishes.task, temperature=wishes.temperature)
                    self._asked.add(request.utterance_id)
                    self._context.scheduler.submit(request, self._deliver)
                case CueEvent(cue=cue):
                    self._cues.append(cue)
                case Final():
                    self._pass(effect)
                case Finished():
                    self._is_finished = True
                case _:  # what a live listener is told besides
                    pass

    def _pass(self, final: Final) -> None:
        self._asked.remove(final.utterance_id)
        heard = self._outcomes.pop(final.utterance_id)
        if isinstance(heard, EngineError):
            raise _located(heard, final)
        cues, self._cues = tuple(self._cues), []
        self._passages.append(Passage(final, cues, heard.avg_logprob, heard.no_speech_probability))


def _unacknowledged(settings: PipelineSettings) -> PipelineSettings:
    return replace(settings, session=replace(settings.session, ack_interval_s=inf))


def _located(error: EngineError, final: Final) -> EngineError:
    """Return the error with the place in the file that it keeps from having words."""
    located, start_s, end_s = copy(error), final.start_sample / SAMPLE_RATE_HZ, final.end_sample / SAMPLE_RATE_HZ
    located.args = (f"{error} (the file's audio from {start_s:.1f} to {end_s:.1f} s)",)
    return located
