"""The driver between one pipeline, the scheduler and an event log."""

import anyio
import pytest

from gateway.session.context import SessionContext
from gateway.session.pipeline import Pipeline
from gateway.session.pipeline_driver import PipelineDriver
from gateway.wire import Final, Finished, Flush, Flushed, ProtocolError, ServerEvent, SpeechEnded, Start, Stop
from gateway.wire.bounds import MAX_FLUSHES
from tests.sessions import open_context, settled, silence, speech, stuck_on_finals
from vad.errors import LivecueError

UTTERANCE = silence(0.5) + speech(1.2) + silence(0.7)


class Log:
    """Keeps the events of a pipeline."""

    def __init__(self) -> None:
        self.events: list[ServerEvent] = []
        self.closings = 0

    def append(self, event: ServerEvent) -> None:
        self.events.append(event)

    def close(self, error: LivecueError | None = None) -> None:
        assert error is None
        self.closings += 1

    def kinds(self) -> list[type[ServerEvent]]:
        return [type(event) for event in self.events if isinstance(event, SpeechEnded | Final | Flushed | Finished)]


def driver(context: SessionContext) -> tuple[PipelineDriver, Log]:
    log = Log()
    pipeline = Pipeline("a", Start(), context.settings, context.engine)
    return PipelineDriver(pipeline, context.scheduler, log), log


async def test_it_ends_and_closes_the_log_after_the_last_event() -> None:
    async with open_context() as context:
        made, log = driver(context)
        made.push_audio(UTTERANCE)
        made.handle(Flush("here"))
        made.handle(Stop())
        with anyio.fail_after(5):
            await made.run()
        assert log.kinds() == [SpeechEnded, Final, Flushed, Finished]
        assert (made.is_finished, log.closings) == (True, 1)


async def test_finals_emitted_waits_for_utterances_that_have_ended_only() -> None:
    async with open_context() as context, anyio.create_task_group() as tasks:
        made, log = driver(context)
        tasks.start_soon(made.run)
        made.push_audio(UTTERANCE + speech(1.0))
        with anyio.fail_after(5):
            await made.finals_emitted()
        assert log.kinds() == [SpeechEnded, Final]
        tasks.cancel_scope.cancel()


async def test_outstanding_flushes_are_limited() -> None:
    async with open_context(stuck_on_finals()) as context:
        made, _ = driver(context)
        made.push_audio(silence(0.5) + speech(1.2))
        for number in range(MAX_FLUSHES):
            made.handle(Flush(str(number)))
        with pytest.raises(ProtocolError, match=rf"{MAX_FLUSHES} flushes are outstanding \(limit {MAX_FLUSHES}\)"):
            made.handle(Flush("one more"))
        made.close()


async def test_closing_it_cancels_outstanding_requests() -> None:
    async with open_context(stuck_on_finals()) as context:
        made, _ = driver(context)
        made.push_audio(UTTERANCE * 3)
        made.close()
        await settled()
        assert context.scheduler.waiting == 0
