"""Journals in use: recorded sessions, their published events, and the contents of the file."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path

import anyio

from gateway.journal.journal import Journal, Opening, SavedSession
from gateway.journal.journal_file import JournalFile
from gateway.journal.session_log import SessionLog
from gateway.journal.sqlite_store import SqliteStore
from gateway.settings import JournalSettings
from gateway.wire import ServerEvent, Warning
from vad.errors import LivecueError

__all__ = ["DAY_S", "NOW_S", "Reader", "opening", "reopened_log", "running_journal", "seqs", "written_elsewhere"]

DAY_S = 86_400.0
NOW_S = 1_000 * DAY_S


def opening(session_id: str = "a", opened_s: float = NOW_S) -> Opening:
    return Opening(session_id, "native", "ada", opened_s, {"call_id": "CA1"}, "{}", b"digest")


@asynccontextmanager
async def running_journal(
    path: Path, settings: JournalSettings | None = None, clock: Callable[[], float] = lambda: NOW_S
) -> AsyncIterator[Journal]:
    journal = Journal(SqliteStore(JournalFile(path)), settings or JournalSettings(), 60.0, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(journal.run)
        yield journal
        tasks.cancel_scope.cancel()


class Reader:
    """A recorded session, with its published events."""

    def __init__(self, journal: Journal, session_id: str = "a", opened: Opening | None = None) -> None:
        self.events: list[ServerEvent] = []
        self.warned = anyio.Event()
        self.warnings: list[str] = []
        self.log = journal.open(opened or opening(session_id), self, count(10_000).__next__)
        self._changed = anyio.Event()

    def write(self, *events: ServerEvent) -> None:
        for event in events:
            self.log.append(event)

    async def up_to(self, last: ServerEvent) -> list[ServerEvent]:
        while last not in self.events:
            self._changed = anyio.Event()
            await self._changed.wait()
        return self.events

    def publish(self, event: ServerEvent) -> None:
        if isinstance(event, Warning) and event.code == "journal_unavailable":
            self.warnings.append(event.message)
            self.warned.set()
        else:
            self.events.append(event)
            self._changed.set()

    def close(self, error: LivecueError | None) -> None:
        raise AssertionError("no session ends here")


def reopened_log(journal: Journal, saved: SavedSession) -> SessionLog:
    """Return the log of a resumed session."""
    return journal.reopen(saved, Reader(journal, saved.entry.session_id), count(10_000).__next__)


async def seqs(journal: Journal, session_id: str = "a", after: int = 0) -> list[int]:
    return [seq for seq, _ in await journal.events(session_id, after)]


def written_elsewhere(path: Path, session_id: str = "a") -> list[int]:
    with closing(JournalFile(path)) as store:
        return [seq for seq, _ in store.events(session_id)]
