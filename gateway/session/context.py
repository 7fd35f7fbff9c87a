"""What the sessions of one gateway share."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from decoder.engine import EngineInfo
from decoder.scheduler import Scheduler
from gateway.access.drain import Drain
from gateway.delivery.broadcast import Broadcaster
from gateway.journal.journal import Journal
from gateway.metrics import Metrics
from gateway.session.stage_options import PipelineSettings

if TYPE_CHECKING:
    from gateway.session.session import Session

__all__ = ["LiveSessions", "SessionContext"]


class LiveSessions:
    """The sessions that are in memory, by id."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._locks: dict[str, anyio.Lock] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._sessions)

    def __iter__(self) -> "Iterator[Session]":
        """Iterate over the sessions there are now, oldest first."""
        return iter(tuple(self._sessions.values()))

    def find(self, session_id: str) -> "Session | None":
        """Return a session; None: it is not in memory."""
        return self._sessions.get(session_id)

    @contextmanager
    def added(self, session: "Session") -> Iterator[None]:
        """Keep a session while the block lasts."""
        self._sessions[session.session_id] = session
        try:
            yield
        finally:
            del self._sessions[session.session_id]

    @asynccontextmanager
    async def resuming(self, session_id: str) -> AsyncIterator[None]:
        """Resume a session; of two connections that resume the same one, the later waits for the earlier."""
        lock = self._locks.setdefault(session_id, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.statistics().locked and not lock.statistics().tasks_waiting:
                self._locks.pop(session_id, None)

    def make_room(self, max_waiting: int | None) -> None:
        """Evict a session if too many wait for their clients: of the owner with most, the one that has waited longest.

        Args:
            max_waiting: so many may wait; None: any number.
        """
        waiting = [session for session in self._sessions.values() if session.is_waiting]
        if max_waiting is not None and len(waiting) > max_waiting:
            owned = Counter(session.info.owner for session in waiting)
            longest = min(waiting, key=lambda session: (-owned[session.info.owner], session.absent_since_s))
            longest.evict("too many sessions wait for their clients")


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What a session shares with the others: the engine behind its scheduler, the settings, the metrics, the clock.

    Attributes:
        tasks: in which sessions run.
        journal: records their events; None: nothing is recorded, and no session can be resumed.
        recordings: folder where their audio is kept; None: it is not.
        broadcaster: publishes their events to viewers.
        live: the sessions in memory.
        drain: whether the gateway is stopping.
    """

    scheduler: Scheduler
    engine: EngineInfo
    settings: PipelineSettings
    metrics: Metrics
    clock: Callable[[], float]
    tasks: TaskGroup
    journal: Journal | None = None
    recordings: Path | None = None
    broadcaster: Broadcaster = field(default_factory=Broadcaster)
    live: LiveSessions = field(default_factory=LiveSessions)
    drain: Drain = field(default_factory=Drain)
