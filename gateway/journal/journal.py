"""A durable record of the events of sessions, which outlives their connections and the gateway itself."""

import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, replace

import anyio

from gateway.journal.compaction import EventCompactor
from gateway.journal.event_json import event_of
from gateway.journal.maintenance import Maintenance
from gateway.journal.ordered_delivery import EventSink
from gateway.journal.owner_lock import owned
from gateway.journal.recording import delete_recordings, recordings_folder
from gateway.journal.session_log import SessionLog
from gateway.journal.store import Entry, JournalStore, Opening, Resumable, ViewToken, journal_path
from gateway.journal.unwritten_events import JournalCounts, JournaledSession
from gateway.journal.writer import JournalWriter
from gateway.settings import JournalSettings, Settings

__all__ = ["Entry", "Journal", "Opening", "Row", "SavedSession", "open_journal"]

logger = logging.getLogger("livecue.journal")

Row = tuple[int, str]
"""Number of an event, and its message in the native dialect."""


@dataclass(frozen=True, slots=True)
class SavedSession:
    """What the journal has of a session that may be resumed.

    Attributes:
        entry: its row.
        start: its start message, in the native dialect.
        token_digest: SHA-256 of its resume token.
        rows: numbers and messages of its published events, oldest first.
    """

    entry: Entry
    start: str
    token_digest: bytes
    rows: tuple[Row, ...]

    @property
    def opening(self) -> Opening:
        """What is known of it."""
        entry = self.entry
        known = entry.session_id, entry.dialect, entry.owner, entry.opened_s, entry.about
        return Opening(*known, start=self.start, token_digest=self.token_digest)


class Journal:
    """Writes the events of sessions in batches, and reads them.

    `Ready`, finals, final cues and `Finished` are published once they are written, which survives the process, or a
    tenth of a second later. All else is published at once, but never before an earlier event of its session. While the
    file cannot be written, captions continue: each session is warned once, and its events are kept in memory, within
    bounds, until they can be written.

    Args:
        store: the file.
        settings: whether events are kept, and for how long.
        grace_s: a session that is not open here was interrupted when nothing has been written of it for so long.
        clock: seconds since 1970.
    """

    def __init__(
        self, store: JournalStore, settings: JournalSettings, grace_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._recordings = recordings_folder(store.path)
        self._kept: Counter[str] = Counter()
        """Sessions that are being resumed."""
        self._writer = JournalWriter(store, clock)
        self.maintenance = Maintenance(store, self._writer, settings, grace_s, clock, self.delete)
        """Keeps the file in order."""

    @property
    def is_enabled(self) -> bool:
        """Whether events are written."""
        return self._settings.enabled

    @property
    def counts(self) -> JournalCounts:
        """What has been written and lost so far."""
        return self._writer.counts

    # --- writing -------------------------------------------------------------------------------------------------

    def open(self, opening: Opening, sink: EventSink, next_seq: Callable[[], int]) -> SessionLog:
        """Begin to write a session, and return its log.

        Args:
            opening: what is known of it.
            sink: receives its events, in order.
            next_seq: numbers warnings `journal_unavailable`.
        """
        log = SessionLog(opening.session_id, sink, next_seq, self._writer)
        if self._settings.enabled:
            self._writer.open(opening.session_id, JournaledSession(opening, log, opening.opened_s))
        return log

    def reopen(self, saved: SavedSession, sink: EventSink, next_seq: Callable[[], int]) -> SessionLog:
        """Go on writing a session that `load` has returned, and return its log; it must not have been deleted since."""
        log = SessionLog(saved.entry.session_id, sink, next_seq, self._writer)
        if self._settings.enabled:
            compactor, written = _compactor(saved.rows), len(saved.rows)
            session = JournaledSession(saved.opening, log, self._clock(), compactor, written=written, is_opened=True)
            self._writer.open(saved.entry.session_id, session)
        return log

    def end(self, session_id: str, outcome: str, ended_s: float) -> None:
        """Write that a session has ended, together with its last event.

        Args:
            session_id: of a session that is open here, else nothing happens.
            outcome: `finished`, or the code of the error that ended it.
            ended_s: when, in seconds since 1970.
        """
        self._writer.end(session_id, outcome, ended_s)

    async def flush(self) -> None:
        """Return when everything recorded so far is written, and what was held for that is published.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        await self._writer.in_turn(lambda: None)

    async def run(self) -> None:
        """Write until cancelled, and then what is left."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._writer.run)
            tasks.start_soon(self.maintenance.run)

    # --- reading -------------------------------------------------------------------------------------------------

    async def find(self, session_id: str) -> Entry | None:
        """Return the session of that id.

        Raises:
            StateUnavailable: the journal cannot be read.
        """
        return await self._writer.in_turn(lambda: self._store.find(session_id))

    async def entries(self) -> list[Entry]:
        """Return all sessions, the oldest first.

        Raises:
            StateUnavailable: the journal cannot be read.
        """
        return await self._writer.in_turn(self._store.entries)

    async def events(self, session_id: str, after: int = 0, limit: int | None = None) -> list[Row]:
        """Return the numbers and messages of a session's events above a number, oldest first; no superseded one.

        Args:
            session_id: of what session.
            after: 0: all events.
            limit: most of them, the oldest.

        Raises:
            StateUnavailable: the journal cannot be read.
        """
        written = await self._writer.in_turn(lambda: self._store.events(session_id, after, limit))
        if len(written) == limit:  # what only is here comes after it
            return written
        return self._writer.merged(session_id, after, written)[:limit]

    async def load(self, session_id: str) -> SavedSession | None:
        """Return what it takes to resume a session; None: it cannot be resumed, or is not known.

        Raises:
            StateUnavailable: the journal cannot be read.
        """

        def read() -> tuple[Resumable | None, list[Row]]:
            return self._store.resumable(session_id), self._store.events(session_id)

        found, written = await self._writer.in_turn(read)
        if found is None:
            return None
        entry, here = found.entry, self._writer.find(session_id)
        if here is not None:
            entry = replace(entry, ended_s=here.ended_s, outcome=here.outcome)
        rows = self._writer.merged(session_id, 0, written)
        return SavedSession(entry, found.start, found.token_digest, tuple(rows))

    @contextmanager
    def pinned(self, session_id: str) -> Iterator[None]:
        """Refuse to delete a session while the block lasts."""
        self._kept[session_id] += 1
        try:
            yield
        finally:
            self._kept[session_id] -= 1
            self._kept = +self._kept  # no zeros

    async def delete(self, session_id: str) -> bool:
        """Delete a session with its recordings, unless it is open here or kept; return whether there was one.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        here = self._writer.find(session_id)
        if session_id in self._kept or (here is not None and here.ended_s is None):
            return False

        def work() -> bool:
            is_there = self._store.delete(session_id)
            delete_recordings(self._recordings, session_id)
            return is_there

        is_there = await self._writer.in_turn(work)
        self._writer.forget(session_id)
        await self._store.run(self._store.tidy)
        return is_there

    async def add_view_token(self, digest: bytes, token: ViewToken) -> None:
        """Let a token show a session.

        Args:
            digest: SHA-256 of the token, which itself is not kept.
            token: what it stands for.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        await self._store.run(lambda: self._store.add_view_token(digest, token))

    async def view_token(self, digest: bytes) -> ViewToken | None:
        """Return what a token stands for; None: it is not known, or has expired.

        Raises:
            StateUnavailable: the journal cannot be read.
        """
        return await self._store.run(lambda: self._store.view_token(digest, self._clock()))

    async def delete_view_tokens(self, session_id: str) -> None:
        """Let no token show a session any more.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        await self._store.run(lambda: self._store.delete_view_tokens(session_id))


@asynccontextmanager
async def open_journal(settings: Settings) -> AsyncIterator[Journal]:
    """Write the journal while the block lasts, and what is left at its end.

    Raises:
        ConfigurationError: another gateway writes it.
    """
    kept, path = settings.journal, journal_path(settings.journal)
    if kept.enabled:
        logger.info("sessions are written down file=%s days=%s sound=%s", path, kept.retention_days, kept.record)
    journal = Journal(JournalStore(path), kept, settings.session.grace_s)
    with owned(path) if kept.enabled else nullcontext():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.run)
            yield journal
            tasks.cancel_scope.cancel()


def _compactor(rows: Iterable[Row]) -> EventCompactor:
    compactor = EventCompactor()
    for _, message in rows:
        event = event_of(message)
        if event is not None:
            compactor.add(event)
    return compactor
