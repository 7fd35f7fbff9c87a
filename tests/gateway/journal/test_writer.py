"""The task that writes the journal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from gateway.journal.journal_file import JournalFile
from gateway.journal.session_log import SessionLog
from gateway.journal.sqlite_store import SqliteStore
from gateway.journal.unwritten_events import JournaledSession
from gateway.journal.writer import JournalWriter
from gateway.sqlite import StateUnavailable
from gateway.wire import ServerEvent
from tests.events import final, ready
from tests.journals import NOW_S, opening
from vad.errors import LivecueError


class Sink:
    """Collects published events, and wakes the tasks that await one."""

    def __init__(self) -> None:
        self.events: list[ServerEvent] = []
        self.changed = anyio.Event()

    def publish(self, event: ServerEvent) -> None:
        self.events.append(event)
        self.changed.set()

    def close(self, error: LivecueError | None) -> None:
        raise AssertionError("no session ends here")


class FailingStore(JournalFile):
    """A store that can be made unwritable."""

    is_failing = False

    def write(self, batch: object) -> None:
        if self.is_failing:
            raise StateUnavailable("the script fails")
        super().write(batch)  # type: ignore[arg-type]  # the base's own type


@pytest.fixture
def store(tmp_path: Path) -> FailingStore:
    return FailingStore(tmp_path / "journal.db")


@asynccontextmanager
async def running(store: JournalFile) -> AsyncIterator[JournalWriter]:
    writer = JournalWriter(SqliteStore(store), lambda: NOW_S)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        yield writer
        tasks.cancel_scope.cancel()


def session(writer: JournalWriter) -> tuple[Sink, SessionLog]:
    sink = Sink()
    log = SessionLog("a", sink, lambda: 99, writer)
    writer.open("a", JournaledSession(opening(), log, NOW_S))
    return sink, log


def written(store: JournalFile) -> list[int]:
    with closing(JournalFile(store.path)) as other:
        return [seq for seq, _ in other.events("a")]


async def test_the_work_sees_the_backlog_written(store: FailingStore) -> None:
    async with running(store) as writer:
        _, log = session(writer)
        log.append(ready())
        log.append(final(2))
        assert [seq for seq, _ in await writer.run_flushed(lambda: SqliteStore(store).events("a"))] == [1, 2]


async def test_a_failure_releases_held_events_and_warns(store: FailingStore) -> None:
    async with running(store) as writer:
        sink, log = session(writer)
        store.is_failing = True
        log.append(final(1))
        assert sink.events == []
        with anyio.fail_after(5):
            await sink.changed.wait()
        assert sink.events[0] == final(1)
        await writer.run_flushed(checkpoint)
        assert writer.is_failing
        assert len(sink.events) == 2, "and the warning"
        log.append(final(2, 2))
        assert sink.events[-1] == final(2, 2), "no event is held while the file cannot be written"
        store.is_failing = False
    assert written(store) == [1, 2, 99]
    assert not writer.is_failing


async def test_the_work_runs_even_if_the_backlog_cannot_be_written(store: FailingStore) -> None:
    async with running(store) as writer:
        _, log = session(writer)
        store.is_failing = True
        log.append(final(1))
        assert await writer.run_flushed(succeed) == "result"
        with pytest.raises(StateUnavailable, match="of the work"):
            await writer.run_flushed(raise_unavailable)
        store.is_failing = False


async def test_events_of_unknown_sessions_are_not_held(store: FailingStore) -> None:
    async with running(store) as writer:
        sink = Sink()
        SessionLog("b", sink, lambda: 99, writer).append(final(1))
        assert sink.events == [final(1)]


async def succeed() -> str:
    return "result"


async def raise_unavailable() -> None:
    raise StateUnavailable("of the work")
