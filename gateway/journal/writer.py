"""Writes the journal in batches, in one task."""

import logging
from collections.abc import Awaitable, Callable, Set
from typing import TypeVar

import anyio

from gateway.errors import SessionMoved
from gateway.journal.backlog import Backlog
from gateway.journal.hold_timeout import HoldTimeout
from gateway.journal.ordered_delivery import PendingEvent
from gateway.journal.store import JournalStore
from gateway.journal.unwritten_events import JournalCounts, JournaledSession
from gateway.sqlite import StateUnavailable, StateVanished
from gateway.wire import Correction, CueEvent, DrainBegun, Final, Finished, Ready, ServerEvent
from gateway.wire.cue import CueState
from gateway.wire.server_events import channel_of

__all__ = ["JournalWriter"]

logger = logging.getLogger("livecue.journal")

_Result = TypeVar("_Result")

_RETRY_S = 1.0
"""Between two attempts while the store cannot be written; each tries one batch, which takes some milliseconds."""


class JournalWriter:
    """Writes the events of all sessions, and releases held events once they are durable.

    `Ready`, finals, final cues, corrections and `Finished` are held, and all events while another gateway may have
    taken the sessions over. A session that was taken over publishes nothing more. While the store cannot be written, no
    event is held: each session is warned, and its events stay in memory, within limits.

    Args:
        store: where they are written.
        clock: seconds since 1970.
    """

    def __init__(self, store: JournalStore, clock: Callable[[], float]) -> None:
        self.is_failing = False
        """Whether the last attempt to write has failed."""
        self._store = store
        self._clock = clock
        self._backlog = Backlog()
        self._holds = HoldTimeout(lambda: store.is_owner)
        self._has_changes, self._has_urgent = anyio.Event(), anyio.Event()
        self._lock = anyio.Lock()
        """Keeps the store and the backlog consistent for readers of both."""

    @property
    def counts(self) -> JournalCounts:
        """Counts of events written and lost so far."""
        return self._backlog.counts

    def open(self, session_id: str, session: JournaledSession) -> None:
        """Begin to record a session."""
        self._backlog.open(session_id, session)
        self._wake()

    def find(self, session_id: str) -> JournaledSession | None:
        """Return a session recorded here; None: unknown, or its end is written."""
        return self._backlog.find(session_id)

    def sessions(self) -> tuple[str, ...]:
        """Return the ids of the sessions recorded here."""
        return self._backlog.sessions()

    def record(self, session_id: str, pending: PendingEvent) -> None:
        """Record the next event of a session, and hold it if it must be durable; ignore sessions not recorded here."""
        session = self._backlog.find(session_id)
        if session is None or isinstance(pending.event, DrainBegun):  # it is about this gateway, not the session
            return
        is_uncertain = _must_be_durable(pending.event) or not self._store.is_owner
        pending.is_held = is_uncertain and not self.is_failing
        self._backlog.add(session_id, session, pending, self._clock())
        if pending.is_held:
            self._holds.add(session.log, pending)
        self._wake()

    def end(self, session_id: str, outcome: str, ended_s: float) -> None:
        """Record the end of a session, which is written with its last event."""
        self._backlog.end(session_id, outcome, ended_s)
        self._wake()

    def discard(self, session_id: str) -> None:
        """Write nothing more of a session."""
        self._backlog.discard(session_id)

    async def run_flushed(self, work: Callable[[], Awaitable[_Result]]) -> _Result:
        """Write the backlog, then run work on the store, and return its result.

        The work runs even if the backlog cannot be written.

        Raises:
            StateUnavailable: raised by the work.
        """
        async with self._lock:
            if not self.is_failing:
                await self._write_all()
            return await work()

    def merged(self, session_id: str, after: int, written: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Return a session's rows, read by `run_flushed`, with the published events that are in memory only."""
        return self._backlog.merged(session_id, after, written)

    async def check(self) -> None:
        """Check the store, and give up sessions that another gateway has taken over."""
        try:
            taken = await self._store.check()
        except StateUnavailable as error:
            self._backlog.roll_back()
            self._on_failure(error)
            return
        self._give_up(taken)
        if not self._backlog.changed:  # else the next write finds out whether the store can be written, too
            self._on_success()

    async def run(self) -> None:
        """Write until cancelled, and then the rest."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write_continuously)
                tasks.start_soon(self._holds.run)
        finally:
            with anyio.CancelScope(shield=True):
                async with self._lock:
                    await self._write_all()
                    await self._store.aclose()
            if self._backlog:
                logger.error("%d journal events were never written", len(self._backlog))
            for session_id in self.sessions():
                self.discard(session_id)

    async def _write_continuously(self) -> None:
        while True:
            await self._has_changes.wait()
            self._has_changes = anyio.Event()
            with anyio.move_on_after(self._store.batch_delay_s):
                while not self.is_failing:
                    await self._has_urgent.wait()
                    self._has_urgent = anyio.Event()
                    async with self._lock:
                        await self._write_batch(self._backlog.urgent)
            async with self._lock:
                await self._write_all()
            if self.is_failing:
                await anyio.sleep(_RETRY_S)

    async def _write_all(self) -> None:
        """Write the present backlog."""
        for _ in range(self._backlog.batches):
            if self._backlog.urgent:
                await self._write_batch(self._backlog.urgent)
            await self._write_batch(self._backlog.changed)
            if self.is_failing:
                return

    async def _write_batch(self, sessions: Set[str]) -> None:
        """Write a batch of these sessions' oldest events."""
        prepared = self._backlog.begin_batch(sessions)
        if prepared is None:
            return
        try:
            with anyio.CancelScope(shield=True):  # so that it is known whether the batch is written
                taken = await self._store.write(prepared.batch)
        except StateUnavailable as error:
            self._backlog.roll_back(prepared)
            self._on_failure(error)
        else:
            self._on_success()
            self._give_up(taken)
            self._backlog.commit(prepared, taken)
            self._wake()

    def _give_up(self, taken: Set[str]) -> None:
        for session_id in taken:
            logger.warning("session taken over by another gateway session=%s", session_id)
            self._backlog.give_up(session_id, SessionMoved("another gateway has taken the session over"))

    def _on_success(self) -> None:
        if self.is_failing:
            logger.info("journal available again")
        self.is_failing = False

    def _on_failure(self, error: StateUnavailable) -> None:
        if not self.is_failing:
            logger.warning("journal unavailable, events are kept in memory: %s", error)
        self.is_failing = True
        if isinstance(error, StateVanished):
            self._backlog.restart()
        self._has_changes.set()
        self._holds.release_all()
        self._backlog.warn(
            "journal_unavailable", "the journal is unavailable: captions continue, events are kept in memory"
        )

    def _wake(self) -> None:
        if self._backlog.changed:
            self._has_changes.set()
        if self._backlog.urgent:
            self._has_urgent.set()


def _must_be_durable(event: ServerEvent) -> bool:
    """Return whether clients rely on an event, so that it must survive the gateway."""
    match channel_of(event)[1]:
        case CueEvent(_, cue):
            return cue.state is CueState.FINAL
        case Ready() | Final() | Correction() | Finished():
            return True
        case _:
            return False
