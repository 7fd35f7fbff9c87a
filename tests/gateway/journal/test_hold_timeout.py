"""Held events are released when their timeout is over, or all at once."""

import anyio

from gateway.journal.hold_timeout import HoldTimeout
from gateway.journal.ordered_delivery import PendingEvent
from gateway.journal.session_log import SessionLog
from gateway.wire import ServerEvent
from tests.events import final
from vad.errors import LivecueError


class Reader:
    """A sink whose last event can be waited for."""

    def __init__(self) -> None:
        self.events: list[ServerEvent] = []
        self.has_last = anyio.Event()

    def publish(self, event: ServerEvent) -> None:
        self.events.append(event)
        if event == final(2, 2):
            self.has_last.set()

    def close(self, error: LivecueError | None) -> None:
        raise AssertionError("no session ends here")


class Recorder:
    """Holds each event with a timeout."""

    def __init__(self, holds: HoldTimeout) -> None:
        self.holds = holds
        self.log: SessionLog | None = None
        self.pending: list[PendingEvent] = []

    def record(self, session_id: str, pending: PendingEvent) -> None:
        assert self.log is not None
        pending.is_held = True
        self.pending.append(pending)
        self.holds.add(self.log, pending)


def held(holds: HoldTimeout) -> tuple[Reader, Recorder]:
    reader, recorder = Reader(), Recorder(holds)
    recorder.log = SessionLog("a", reader, lambda: 9, recorder)
    recorder.log.append(final(1))
    recorder.log.append(final(2, 2))
    return reader, recorder


async def test_events_that_do_not_become_durable_are_released_in_order() -> None:
    holds = HoldTimeout()
    reader, _ = held(holds)
    assert reader.events == []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(holds.run)
        with anyio.fail_after(5):
            await reader.has_last.wait()
        tasks.cancel_scope.cancel()
    assert reader.events == [final(1), final(2, 2)]


async def test_all_are_released_at_once() -> None:
    holds = HoldTimeout()
    reader, _ = held(holds)
    holds.release_all()
    assert reader.events == [final(1), final(2, 2)]


async def test_events_that_became_durable_in_time_are_not_published_twice() -> None:
    holds = HoldTimeout()
    reader, recorder = held(holds)
    assert recorder.log is not None
    for pending in recorder.pending:
        recorder.log.release(pending)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(holds.run)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert reader.events == [final(1), final(2, 2)]


async def test_events_are_held_while_another_gateway_may_own_the_session() -> None:
    is_owner = False
    holds = HoldTimeout(lambda: is_owner)
    reader, _ = held(holds)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(holds.run)
        with anyio.move_on_after(0.25):  # more than two timeouts
            await reader.has_last.wait()
        assert reader.events == []
        is_owner = True
        with anyio.fail_after(5):
            await reader.has_last.wait()
        tasks.cancel_scope.cancel()
    assert reader.events == [final(1), final(2, 2)]
