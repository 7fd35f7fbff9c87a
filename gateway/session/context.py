"""The state that all sessions of a gateway share."""

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
from gateway.session.overload import Overload
from gateway.session.stage_options import PipelineSettings
from gateway.sinks.service import Sinks
from gateway.tracing import Tracer

if TYPE_CHECKING:
    from gateway.session.session import Session

__all__ = ["LiveSessions", "SessionContext"]


class LiveSessions:
    """The sessions that are in memory, by id."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._locks: dict[str, anyio.Lock] = {}

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self._sessions)

    def __iter__(self) -> "Iterator[Session]":
        """Iterate over the present sessions, oldest first."""
        return iter(tuple(self._sessions.values()))

    def find(self, session_id: str) -> "Session | None":
        """Return the session of that id; None: it is not in memory."""
        return self._sessions.get(session_id)

    def by_owner(self) -> Counter[str]:
        """Return the number of sessions by name of the key that opened them, without those of no key."""
        owners = (session.info.owner for session in self._sessions.values())
        return Counter(owner for owner in owners if owner is not None)

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
        """Hold the resume lock of a session while the block lasts; other connections that resume it wait."""
        lock = self._locks.setdefault(session_id, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.statistics().locked and not lock.statistics().tasks_waiting:
                self._locks.pop(session_id, None)

    @property
    def detached(self) -> "list[Session]":
        """The sessions whose client is disconnected and can resume."""
        return [session for session in self._sessions.values() if session.is_detached]

    def make_room(self, max_detached: int | None) -> None:
        """Evict a session if too many are detached: of the owner with the most, the one detached longest.

        Args:
            max_detached: limit of detached sessions; None: no limit.
        """
        detached = self.detached
        if max_detached is not None and len(detached) > max_detached:
            owned = Counter(session.info.owner for session in detached)
            oldest = min(detached, key=lambda session: (-owned[session.info.owner], session.detached_since_s))
            oldest.evict(f"{len(detached)} sessions have no client (limit {max_detached})")


@dataclass(frozen=True, slots=True)
class SessionContext:
    """The engine behind its scheduler, the settings, and the other services that sessions share.

    Attributes:
        clock: of the scheduler, in seconds.
        tasks: task group that sessions run in.
        journal: records events; None: nothing is recorded, and no session can be resumed.
        recordings: folder of recorded audio; None: audio is not recorded.
        broadcaster: publishes events to viewers.
        live: the sessions in memory.
        drain: whether the gateway is stopping.
        tracer: records traces; None: off.
        overload: its load, and the step of the overload ladder.
        sinks: send captions to other places; None: there are none.
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
    tracer: Tracer | None = None
    overload: Overload = field(default_factory=Overload)
    sinks: Sinks | None = None

    def free(self, connected: int) -> int | None:
        """Return how many more clients the engine has room for, ≥ 0; None: unknown.

        There is room for as many as have lost their connection: a session that is resumed is not a new one.

        Args:
            connected: clients.
        """
        free = self.overload.free(connected)
        return None if free is None else max(free, len(self.live.detached))
