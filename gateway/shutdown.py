"""The graceful shutdown of a gateway.

| step | action |
|---|---|
| 1 | `/readyz` reports `draining`; new sessions and files are refused with 503; idle connections are closed |
| 2 | sessions get the event `draining`, no more audio is received, and they get their finals; resumable ones are left |
|   | to the next gateway: everything is in the journal before their connection is closed |
| 3 | at the latest after `limits.drain_s`, unfinished files are refused, and connections are closed with 1012 |
"""

from contextlib import suppress

import anyio

from gateway.errors import Draining
from gateway.journal.journal import Journal
from gateway.runtime import Gateway
from gateway.session.session import Session
from gateway.sqlite import StateUnavailable
from gateway.wire import DrainBegun

__all__ = ["drain"]

_LEAVE_S = 3.0
"""Time for peers to read their last message after the deadline: three times that of a close frame."""


async def drain(gateway: Gateway) -> None:
    """Finish all work of a gateway; return when it is done, or at the deadline.

    Where the drain has begun already, wait for its end.
    """
    sessions = gateway.sessions
    if sessions.drain.has_begun:
        await sessions.drain.finished.wait()
        return
    drain_s = gateway.settings.limits.drain_s
    for session in sessions.live:
        _announce(session, drain_s)
    sessions.drain.begin()
    with anyio.move_on_after(drain_s):
        async with anyio.create_task_group() as tasks:
            for session in sessions.live:
                tasks.start_soon(_drain_session, session, sessions.journal)
            tasks.start_soon(gateway.admission.emptied)
            tasks.start_soon(gateway.file_admission.emptied)
        if sessions.sinks is not None:
            await sessions.sinks.settle()
    sessions.drain.is_due.set()
    with anyio.move_on_after(_LEAVE_S):
        for session in sessions.live:
            session.move()
        await gateway.admission.emptied()
        await gateway.file_admission.emptied()
    sessions.drain.finished.set()


def _announce(session: Session, drain_s: float) -> None:
    seq = session.parts.pipeline.next_seq()
    session.parts.output.append(DrainBegun(seq, drain_s, session.is_resumable))


async def _drain_session(session: Session, journal: Journal | None) -> None:
    """Wait until a session has ended, or another gateway can resume it without losing a final."""
    if not session.is_resumable or session.is_stopping:
        if session.accepts_audio:
            session.end_early(Draining("the gateway is stopping: audio received so far is still transcribed"))
        await session.closed.wait()
        return
    await session.parts.driver.finals_emitted()
    if journal is not None:
        with suppress(StateUnavailable):
            await journal.flush()
    session.move()
