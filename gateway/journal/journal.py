"""The journal: a durable record of the events of all sessions, which outlives the gateway."""

import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

import anyio
from anyio.lowlevel import checkpoint

from gateway.journal.compaction import EventCompactor
from gateway.journal.event_json import event_of
from gateway.journal.maintenance import Maintenance
from gateway.journal.open_store import owned_store, store_name
from gateway.journal.ordered_delivery import EventSink
from gateway.journal.session_log import SessionLog
from gateway.journal.store import Batch, Entry, JournalStore, Opening, Resumable, Row, ViewToken
from gateway.journal.unwritten_events import JournalCounts, JournaledSession
from gateway.journal.writer import JournalWriter
from gateway.settings import JournalSettings, Settings

__all__ = ["Entry", "Journal", "Opening", "Row", "SavedSession", "open_journal"]

logger = logging.getLogger("livecue.journal")


@dataclass(frozen=True, slots=True)
class SavedSession:
    """The journal's record of a resumable session.

    Attributes:
        entry: as the journal lists it.
        start: its native start message.
        token_digest: SHA-256 of its resume token.
        rows: numbers and messages of its published events, oldest first.
    """

    entry: Entry
    start: str
    token_digest: bytes
    rows: tuple[Row, ...]

    @property
    def opening(self) -> Opening:
        """Its opening, as it was first written."""
        entry = self.entry
        metadata = entry.session_id, entry.dialect, entry.owner, entry.opened_s, entry.about
        return Opening(*metadata, start=self.start, token_digest=self.token_digest)


class Journal:
    """Writes the events of sessions in batches, and reads them.

    `Ready`, finals, final cues, corrections and `Finished` are published once they are written, or after a tenth of a
    second; what is written survives the process. Other events are published at once, but never before an earlier event
    of their session. While the store cannot be written, captions continue: each session is warned once, and its events
    are kept in memory, within limits, until they can be written.

    Args:
        store: where they are kept.
        settings: whether events are recorded, and how long they are kept.
        grace_s: a session that is not open here counts as interrupted if nothing has been written of it for that long.
        clock: seconds since 1970.
    """

    def __init__(
        self, store: JournalStore, settings: JournalSettings, grace_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self.store = store
        """Where they are kept; what is read from it directly lacks what is not written yet."""
        self._settings = settings
        self._clock = clock
        self._pinned: Counter[str] = Counter()
        """Sessions that are being resumed, which are not deleted."""
        self._writer = JournalWriter(store, clock)
        self.maintenance = Maintenance(store, self._writer, settings, grace_s, clock, self.delete)
        """Applies the retention, and checks the store."""

    @property
    def is_enabled(self) -> bool:
        """Whether events are recorded."""
        return self._settings.enabled

    @property
    def is_ready(self) -> bool:
        """Whether sessions opened now can move to another gateway, if it is shared; else True."""
        return not (self.store.is_shared and self._writer.is_failing)

    @property
    def counts(self) -> JournalCounts:
        """Counts of events written and lost so far."""
        return self._writer.counts

    def open(self, opening: Opening, sink: EventSink, next_seq: Callable[[], int]) -> SessionLog:
        """Begin to record a session, and return its log.

        Args:
            opening: its metadata.
            sink: receives its events, in order.
            next_seq: numbers warnings `journal_unavailable`.
        """
        log = SessionLog(opening.session_id, sink, next_seq, self._writer)
        if self._settings.enabled:
            self._writer.open(opening.session_id, JournaledSession(opening, log, opening.opened_s))
        return log

    def reopen(self, saved: SavedSession, sink: EventSink, next_seq: Callable[[], int]) -> SessionLog:
        """Continue to record a session that `load` returned and that is not deleted since; return its log."""
        log = SessionLog(saved.entry.session_id, sink, next_seq, self._writer)
        if self._settings.enabled:
            compactor, written = _compactor(saved.rows), len(saved.rows)
            session = JournaledSession(saved.opening, log, self._clock(), compactor, written=written, is_opened=True)
            self._writer.open(saved.entry.session_id, session)
        return log

    def end(self, session_id: str, outcome: str, ended_s: float) -> None:
        """Record the end of a session, which is written with its last event.

        Args:
            session_id: of a session that is open here; otherwise nothing happens.
            outcome: `finished`, or the code of the error that ended it.
            ended_s: when it ended, in seconds since 1970.
        """
        self._writer.end(session_id, outcome, ended_s)

    async def flush(self) -> None:
        """Wait until all events recorded so far are written, and the held ones are published.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        await self._writer.run_flushed(checkpoint)

    async def run(self) -> None:
        """Write until cancelled, and then the rest."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._writer.run)
            tasks.start_soon(self.maintenance.run)

    # --- reading -------------------------------------------------------------------------------------------------

    async def find(self, session_id: str) -> Entry | None:
        """Return the session of that id; None: no such session.

        Raises:
            StateUnavailable: the journal cannot be read.
        """
        return await self._writer.run_flushed(lambda: self.store.find(session_id))

    async def entries(self) -> list[Entry]:
        """Return all sessions, the oldest first.

        Raises:
            StateUnavailable: the journal cannot be read.
        """
        return await self._writer.run_flushed(self.store.entries)

    async def events(self, session_id: str, after: int = 0, limit: int | None = None) -> list[Row]:
        """Return the numbers and messages of a session's events, oldest first, without superseded ones.

        Args:
            session_id: of the session.
            after: only events with numbers above it; 0: all events.
            limit: return at most that many, the oldest; None: no limit.

        Raises:
            StateUnavailable: the journal cannot be read.
        """
        written = await self._writer.run_flushed(lambda: self.store.events(session_id, after, limit))
        if len(written) == limit:  # events in memory only are later
            return written
        return self._writer.merged(session_id, after, written)[:limit]

    async def load(self, session_id: str) -> SavedSession | None:
        """Return the record of a resumable session; None: unknown, or not resumable.

        Raises:
            StateUnavailable: the journal cannot be read.
        """

        async def read() -> tuple[Resumable | None, list[Row]]:
            return await self.store.resumable(session_id), await self.store.events(session_id)

        found, written = await self._writer.run_flushed(read)
        if found is None:
            return None
        entry, own = found.entry, self._writer.find(session_id)
        if own is not None:
            entry = replace(entry, ended_s=own.ended_s, outcome=own.outcome)
        rows = self._writer.merged(session_id, 0, written)
        return SavedSession(entry, found.start, found.token_digest, tuple(rows))

    async def write(self, batch: Batch) -> frozenset[str]:
        """Write a batch of sessions that have ended, as `JournalStore.write` says."""
        return await self._writer.run_flushed(lambda: self.store.write(batch))

    async def check_owned(self) -> None:
        """Give up the sessions that another gateway has taken over meanwhile; their sinks are closed."""
        if self.store.is_shared:
            await self._writer.check()

    @contextmanager
    def pinned(self, session_id: str) -> Iterator[None]:
        """Protect a session from deletion while the block lasts."""
        self._pinned[session_id] += 1
        try:
            yield
        finally:
            self._pinned -= Counter([session_id])  # drops zeros

    async def delete(self, session_id: str) -> bool:
        """Delete a session with its recordings, unless it is open here or pinned; return whether it was deleted.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        own = self._writer.find(session_id)
        if session_id in self._pinned or (own is not None and own.ended_s is None):
            return False
        was_found = await self._writer.run_flushed(lambda: self.store.delete(session_id))
        self._writer.discard(session_id)
        return was_found

    async def add_view_token(self, digest: bytes, token: ViewToken) -> None:
        """Store a view token.

        Args:
            digest: SHA-256 of the token; the token itself is not stored.
            token: what it gives access to.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        await self.store.add_view_token(digest, token)

    async def view_token(self, digest: bytes) -> ViewToken | None:
        """Return the view token of that SHA-256; None: unknown or expired.

        Raises:
            StateUnavailable: the journal cannot be read.
        """
        return await self.store.view_token(digest, self._clock())

    async def delete_view_tokens(self, session_id: str) -> None:
        """Delete all view tokens of a session.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        await self.store.delete_view_tokens(session_id)


@asynccontextmanager
async def open_journal(settings: Settings) -> AsyncIterator[Journal]:
    """Open and write the journal while the block lasts.

    Raises:
        ConfigurationError: another gateway uses it, or its settings are wrong.
    """
    options = settings.journal
    with owned_store(options) as store:
        if options.enabled:
            name = store_name(options)
            logger.info("journal opened in=%s retention_days=%s audio=%s", name, options.retention_days, options.record)
        journal = Journal(store, options, settings.session.grace_s)
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
