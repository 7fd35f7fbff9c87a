"""Drives one pipeline: its requests go to the scheduler, its events to a log, answers back into it."""

from collections.abc import Iterable
from typing import Protocol

import anyio

from decoder.scheduler import Answer, Scheduler
from decoder.types import DecodeRequest
from gateway.session.answer_queue import AnswerQueue
from gateway.session.channel_pipelines import SessionPipeline
from gateway.session.pipeline import Effect
from gateway.wire import Final, Finished, Flush, Flushed, ProtocolError, ServerEvent, SpeechEnded, Stop, Update
from gateway.wire.bounds import MAX_FLUSHES
from gateway.wire.server_events import channel_of
from vad.errors import LivecueError

__all__ = ["EventLog", "PipelineDriver"]


class EventLog(Protocol):
    """Where the events of a pipeline go."""

    def append(self, event: ServerEvent) -> None:
        """Append the next event."""
        ...

    def close(self, error: LivecueError | None = None) -> None:
        """Append nothing more."""
        ...


class PipelineDriver:
    """The I/O around one pipeline.

    Args:
        pipeline: of the session.
        scheduler: of the engine.
        log: receives the pipeline's events; it is closed after the last one.
    """

    def __init__(self, pipeline: SessionPipeline, scheduler: Scheduler, log: EventLog) -> None:
        self.is_finished = False
        """Whether the pipeline has emitted its last event."""
        self._pipeline = pipeline
        self._scheduler = scheduler
        self._log = log
        self._answers = AnswerQueue()
        self._outstanding_flushes = 0
        self._outstanding_finals = 0
        """Of utterances that have ended."""
        self._progressed = anyio.Event()

    async def run(self) -> None:
        """Take in the engine's answers until the pipeline has finished, or until cancelled."""
        try:
            while not self.is_finished:
                self.take(await self.next_answer())
        finally:
            self.close()

    def close(self) -> None:
        """Withdraw the requests that are outstanding."""
        for engine_session in self._pipeline.engine_sessions:
            self._scheduler.forget(engine_session)

    @property
    def waiting_answers(self) -> int:
        """How many answers are there to be taken."""
        return len(self._answers)

    async def next_answer(self) -> Answer:
        """Return the engine's next answer, waiting for one."""
        return await self._answers.get()

    def take(self, answer: Answer) -> None:
        """Take in an answer."""
        self._apply(self._pipeline.answer(answer, self._scheduler.now_s()))
        self._progressed.set()
        self._progressed = anyio.Event()

    async def progress(self) -> None:
        """Return when the next answer has been taken in."""
        await self._progressed.wait()

    async def settled(self) -> None:
        """Return when every utterance that has ended has its final."""
        while self._outstanding_finals:
            await self.progress()

    def push_audio(self, data: bytes, channel: int = 0) -> None:
        """Push audio in the announced format, cut anywhere.

        Raises:
            AudioError: it is not in the announced format.
            Lagging: the engine has been too slow for too long.
            ProtocolError: there is no such channel.
        """
        self._apply(self._pipeline.push_audio(data, self._scheduler.now_s(), channel))

    def handle(self, event: Update | Flush | Stop) -> None:
        """Handle a control event; nothing may follow a stop.

        Raises:
            ProtocolError: an option that is not available, or too many flushes.
        """
        match event:
            case Update(start):
                self._pipeline.update(start)
            case Flush(flush_id):
                if self._outstanding_flushes >= MAX_FLUSHES:
                    raise ProtocolError(f"{MAX_FLUSHES} flushes are outstanding: wait for one to be answered")
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
