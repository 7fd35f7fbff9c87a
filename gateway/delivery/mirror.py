"""Mirrors of sessions that are live at other gateways, for viewers at this one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from gateway.access.drain import Drain
from gateway.delivery.broadcast import Broadcast, Broadcaster, SessionInfo
from gateway.journal.event_json import event_of
from gateway.journal.journal import Entry, Journal
from gateway.sqlite import StateUnavailable
from gateway.wire import Error, Finished, ServerEvent
from gateway.wire.server_events import channel_of

__all__ = ["Mirrors"]

_WAIT_S = 1.0
"""Of one read for the next event; after it, whether the session has ended is looked up."""

_RETRY_S = 1.0
"""Between two attempts while the journal cannot be read."""


@dataclass(eq=False, slots=True)
class _Mirror:
    """One session: its broadcast here, and the number of the last event in it."""

    broadcast: Broadcast
    seq: int
    viewers: int = 0
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Mirrors:
    """Broadcasts of sessions of other gateways, made of the journal's events while they have viewers here.

    Args:
        journal: that the gateways share.
        broadcaster: counts their viewers, and what these lose.
        tasks: task group that they run in.
        drain: ends them when it begins; viewers go on at another gateway.
        grace_s: a session of which nothing has been written for so long is over.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        journal: Journal,
        broadcaster: Broadcaster,
        tasks: TaskGroup,
        drain: Drain,
        grace_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal = journal
        self._broadcaster = broadcaster
        self._tasks = tasks
        self._drain = drain
        self._grace_s = grace_s
        self._clock = clock
        self._mirrors: dict[str, _Mirror] = {}

    @contextmanager
    def mirrored(self, entry: Entry, last_seq: int) -> Iterator[Broadcast]:
        """Mirror a session while the block lasts, and yield its broadcast of all events after `last_seq`.

        Args:
            entry: of the session, which is not over.
            last_seq: number of its newest event a moment ago; earlier ones are for the viewer to read.
        """
        session_id = entry.session_id
        mirror = self._mirrors.get(session_id) or self._open(entry, last_seq)
        mirror.viewers += 1
        try:
            yield mirror.broadcast
        finally:
            mirror.viewers -= 1
            if not mirror.viewers:
                mirror.scope.cancel()
                self._forget(session_id, mirror)

    def _open(self, entry: Entry, last_seq: int) -> _Mirror:
        info = SessionInfo(entry.dialect, entry.owner, entry.opened_s, lambda: entry.about, event=entry.event)
        mirror = self._mirrors[entry.session_id] = _Mirror(self._broadcaster.create_mirror(info), last_seq)
        self._tasks.start_soon(self._run, entry.session_id, mirror)
        return mirror

    async def _run(self, session_id: str, mirror: _Mirror) -> None:
        def leave() -> None:
            mirror.broadcast.is_moving = True
            mirror.scope.cancel()

        try:
            with mirror.scope, self._drain.calling(leave):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(mirror.broadcast.run)
                    await self._follow(session_id, mirror)
                    tasks.cancel_scope.cancel()
        finally:
            self._forget(session_id, mirror)
            mirror.broadcast.end()

    async def _follow(self, session_id: str, mirror: _Mirror) -> None:
        """Publish events until the last one."""
        is_over = False
        while True:
            try:
                rows = await self._journal.store.newer_events(session_id, mirror.seq, _WAIT_S)
                if not rows and is_over:
                    return
                is_over = not rows and await self._is_over(session_id, mirror)
            except StateUnavailable:
                await anyio.sleep(_RETRY_S)
                continue
            for seq, message in rows:
                mirror.seq = seq
                if (event := event_of(message)) is not None:
                    mirror.broadcast.publish(event)
                    if _is_last(event):
                        return

    async def _is_over(self, session_id: str, mirror: _Mirror) -> bool:
        entry = await self._journal.find(session_id)
        if entry is None or entry.ended_s is not None:
            return True
        mirror.broadcast.is_moving = self._clock() - entry.touched_s > self._grace_s
        return mirror.broadcast.is_moving

    def _forget(self, session_id: str, mirror: _Mirror) -> None:
        if self._mirrors.get(session_id) is mirror:
            del self._mirrors[session_id]
            self._broadcaster.forget_mirror(mirror.broadcast)


def _is_last(event: ServerEvent) -> bool:
    inner = channel_of(event)[1]
    return isinstance(inner, Finished) or (isinstance(inner, Error) and inner.fatal)
