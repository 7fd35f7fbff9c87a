"""Drives one pipeline: submits its requests, appends its events to a log, and returns answers to it."""

from collections.abc import Callable, Iterable
from typing import Protocol

import anyio

from decoder.scheduler import Answer, Scheduler
from decoder.types import DecodeRequest
from gateway.load.ladder import Step
from gateway.session.answer_queue import AnswerQueue
from gateway.session.channel_pipelines import SessionPipeline
from gateway.session.pipeline import Effect
from gateway.wire import Final, Finished, Flush, Flushed, ProtocolError, ServerEvent, SpeechEnded, Stop, Update
from gateway.wire.bounds import MAX_FLUSHES
from gateway.wire.server_events import channel_of
from vad.errors import LivecueError

__all__ = ["EventLog", "PipelineDriver"]


class EventLog(Protocol):
    """Takes the events of a pipeline, in order."""

    def append(self, event: ServerEvent) -> None:
        """Append the next event."""
        ...

    def close(self, error: LivecueError | None = None) -> None:
        """Discard all later events."""
        ...


class PipelineDriver:
    """The I/O around one pipeline.

    Args:
        pipeline: of the session.
        scheduler: of the engine.
        log: receives the pipeline's events; it is closed after the last one.
        on_answer: called with each answer, before it is handled.
    """

    def __init__(
        self,
        pipeline: SessionPipeline,
        scheduler: Scheduler,
        log: EventLog,
        on_answer: Callable[[Answer], None] = lambda _: None,
    ) -> None:
        self.is_finished = False
        """Whether the pipeline has emitted its last event."""
        self._pipeline = pipeline
        self._scheduler = scheduler
        self._log = log
        self._on_answer = on_answer
        self._answers = AnswerQueue()
        self._outstanding_flushes = 0
        self._outstanding_finals = 0
        """Finals of utterances that have ended."""
        self._progressed = anyio.Event()

    async def run(self) -> None:
        """Handle the engine's answers until the pipeline has finished, or until cancelled."""
        try:
            while not self.is_finished:
                self.handle_answer(await self.next_answer())
        finally:
            self.close()

    def close(self) -> None:
        """Cancel outstanding requests."""
        for engine_session in self._pipeline.engine_sessions:
            self._scheduler.forget(engine_session)

    @property
    def queued_answers(self) -> int:
        """Number of answers that `next_answer` returns without waiting."""
        return len(self._answers)

    async def next_answer(self) -> Answer:
        """Return the engine's next answer, waiting for one."""
        return await self._answers.get()

    def handle_answer(self, answer: Answer) -> None:
        """Handle an answer."""
        self._on_answer(answer)
        self._apply(self._pipeline.answer(answer, self._scheduler.now_s()))
        self._progressed.set()
        self._progressed = anyio.Event()

    async def progress(self) -> None:
        """Wait until the next answer has been handled."""
        await self._progressed.wait()

    async def finals_emitted(self) -> None:
        """Wait until every utterance that has ended has its final."""
        while self._outstanding_finals:
            await self.progress()

    def push_audio(self, data: bytes, channel: int = 0) -> None:
        """Push audio in the announced format, cut anywhere.

        Raises:
            AudioError: the audio is not in the announced format.
            Lagging: transcription is too far behind.
            ProtocolError: no such channel.
        """
        self._apply(self._pipeline.push_audio(data, self._scheduler.now_s(), channel))

    def adapt(self, step: Step) -> None:
        """Follow the overload ladder of the gateway, which is at that step from now on."""
        if not self.is_finished:
            self._apply(self._pipeline.adapt(step))

    def handle(self, event: Update | Flush | Stop) -> None:
        """Handle a control event; nothing may follow a stop.

        Raises:
            ProtocolError: an option is not available, or too many flushes are outstanding.
        """
        match event:
            case Update(start):
                self._pipeline.update(start)
            case Flush(flush_id):
                if self._outstanding_flushes >= MAX_FLUSHES:
                    raise ProtocolError(f"{self._outstanding_flushes} flushes are outstanding (limit {MAX_FLUSHES})")
                self._outstanding_flushes += 1
                self._apply(self._pipeline.flush(flush_id, self._scheduler.now_s()))
            case Stop():
                self._apply(self._pipeline.stop(self._scheduler.now_s()))

    def _apply(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, DecodeRequest):
                self._scheduler.submit(effect, self._answers.put)
            else:
                self._emit(effect)

    def _emit(self, event: ServerEvent) -> None:
        _, inner = channel_of(event)
        match inner:
            case SpeechEnded():
                self._outstanding_finals += 1
            case Final():
                self._outstanding_finals -= 1
            case Flushed():
                self._outstanding_flushes -= 1
            case Finished():
                self.is_finished = True
            case _:
                pass
        self._log.append(event)
        if self.is_finished:
            self._log.close()
