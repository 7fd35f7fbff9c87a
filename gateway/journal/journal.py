"""What sessions say, written down as they say it, so that it outlives their connections and the gateway itself."""

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from itertools import chain, repeat

import anyio

from gateway.journal.compaction import EventCompactor
from gateway.journal.event_json import event_of
from gateway.journal.owner_lock import owned
from gateway.journal.recording import delete_recordings, recordings_folder
from gateway.journal.store import Entry, JournalStore, Opening, Resumable, ViewToken, journal_path
from gateway.journal.unwritten_events import JournalCounts, JournaledSession
from gateway.journal.writer import JournalWriter
from gateway.settings import JournalSettings, Settings
from gateway.sqlite import StateUnavailable
from gateway.wire import ServerEvent

__all__ = ["Entry", "Journal", "Opening", "Resumable", "open_journal"]

logger = logging.getLogger("livecue.journal")

_SWEEP_S = 3_600.0
"""Retention is counted in days."""

_LOOK_S = 1.0
"""Between two looks whether the file is still there: what is written to one that is gone is lost."""

_S_PER_DAY = 86_400.0


class Journal:
    """What sessions say: written by one task in batches, and read again.

    `Ready`, finals, final cues and `Finished` are told once they are written down, which survives the process, or a
    tenth of a second later. All else is told at once, but nothing before what the session said earlier. Where the file
    cannot be written, captions go on: each session is warned once, and what is said meanwhile is kept in memory,
    within bounds, and written when that is over.

    Args:
        store: the file.
        settings: whether and how long.
        grace_s: a session that nobody writes was interrupted when nothing has been written of it for so long.
        clock: seconds since 1970.
    """

    def __init__(
        self, store: JournalStore, settings: JournalSettings, grace_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._settings = settings
        self._grace_s = grace_s
        self._clock = clock
        self._recordings = recordings_folder(store.path)
        self._writer = JournalWriter(store, clock)

    @property
    def is_enabled(self) -> bool:
        """Whether what sessions say is written down."""
        return self._settings.enabled

    @property
    def counts(self) -> JournalCounts:
        """What has been written and lost so far."""
        return self._writer.counts

    # --- writing -------------------------------------------------------------------------------------------------

    def open(self, opening: Opening, warn: Callable[[str], None]) -> None:
        """Begin to write a session.

        Args:
            opening: what is known of it.
            warn: called once at most, with the message of a warning `journal_unavailable`; it must not raise.
        """
        if self._settings.enabled:
            self._writer.open(opening.session_id, JournaledSession(opening, warn, opening.opened_s))

    async def reopen(self, session_id: str, warn: Callable[[str], None]) -> None:
        """Go on writing a session that `resumable` has found.

        Raises:
            StateUnavailable: the journal cannot be read.
        """

        def read() -> tuple[Resumable | None, list[tuple[int, str]]]:
            return self._store.resumable(session_id), self._store.events(session_id)

        found, events = await self._writer.in_turn(read)
        if self._settings.enabled and found is not None:
            written = JournaledSession(_opening(found), warn, self._clock(), _superseding(events), written=len(events))
            written.is_opened = True
            self._writer.open(session_id, written)

    def write(self, session_id: str, event: ServerEvent, tell: Callable[[ServerEvent], None]) -> None:
        """Write down an event and tell it; of a session that is not open here it is only told.

        Args:
            session_id: of what session.
            event: the next of it.
            tell: called once; it must not raise.
        """
        self._writer.write(session_id, event, tell)

    def end(self, session_id: str, outcome: str, ended_s: float) -> None:
        """Write down that a session is over, together with the last that it has said.

        Args:
            session_id: of what session; nothing happens where it is not open here.
            outcome: `finished`, or the code of the error that ended it.
            ended_s: when, in seconds since 1970.
        """
        self._writer.end(session_id, outcome, ended_s)

    async def run(self) -> None:
        """Write until cancelled, and then what is left. Idle, it only sweeps once an hour."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._writer.run)
            tasks.start_soon(self._sweep_on)
            tasks.start_soon(self._look_on)

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

    async def events(self, session_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
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
        return self._writer.completed(session_id, after, written)[:limit]

    async def resumable(self, session_id: str) -> Resumable | None:
        """Return what it takes to take a session up again; None: it cannot be, or is not known.

        Raises:
            StateUnavailable: the journal cannot be read.
        """
        found = await self._writer.in_turn(lambda: self._store.resumable(session_id))
        here = self._writer.find(session_id)
        if found is None or here is None:
            return found
        return replace(found, entry=replace(found.entry, ended_s=here.ended_s, outcome=here.outcome))

    async def delete(self, session_id: str) -> bool:
        """Delete a session with its recordings; return whether there was one. One that is open here stays.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        here = self._writer.find(session_id)
        if here is not None and here.ended_s is None:
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

    async def sweep(self) -> None:
        """Delete what has been kept long enough, and end what a crash has left open longer than the grace.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        now_s, days = self._clock(), self._settings.retention_days
        ended_before_s = None if days is None else now_s - days * _S_PER_DAY
        own = self._writer.sessions()
        due = await self._store.run(lambda: self._store.sweep(now_s - self._grace_s, ended_before_s, now_s, own))
        for session_id in due:
            await self.delete(session_id)

    async def _look_on(self) -> None:
        while True:
            try:
                await self._store.run(self._store.check)
            except StateUnavailable as error:
                self._writer.fail(error)
            await anyio.sleep(_LOOK_S)

    async def _sweep_on(self) -> None:
        # what a crash has left open may be taken up again within the grace, so it is looked at once that is over
        for wait_s in chain((0.0, self._grace_s), repeat(_SWEEP_S)):
            await anyio.sleep(wait_s)
            try:
                await self.sweep()
            except StateUnavailable as error:
                logger.warning("the journal cannot be swept, which is tried again: %s", error)


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


def _opening(found: Resumable) -> Opening:
    entry = found.entry
    known = entry.session_id, entry.dialect, entry.owner, entry.opened_s, entry.about
    return Opening(*known, start=found.start, token_digest=found.token_digest)


def _superseding(messages: Iterable[tuple[int, str]]) -> EventCompactor:
    superseding = EventCompactor()
    for _, message in messages:
        event = event_of(message)
        if event is not None:
            superseding.add(event)
    return superseding
