"""The graceful shutdown of a gateway.

| step | action |
|---|---|
| 1 | `/readyz` reports `draining`; new sessions and files are refused with 503; idle connections are closed |
| 2 | sessions receive no more audio and get their finals; resumable ones are left to the next gateway |
| 3 | at the latest after `limits.drain_s`, unfinished files are refused, and connections are closed with 1012 |
"""

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from gateway.errors import Draining
from gateway.sqlite import StateUnavailable

if TYPE_CHECKING:
    from gateway.journal.journal import Journal
    from gateway.runtime import Gateway
    from gateway.session.session import Session

__all__ = ["drain"]

_LEAVE_S = 3.0
"""Time for peers to read their last message after the deadline: three times that of a close frame."""


async def drain(gateway: "Gateway") -> None:
    """Finish all work of a gateway; return when it is done, or at the deadline."""
    sessions, state = gateway.sessions, gateway.sessions.drain
    state.begin()
    with anyio.move_on_after(gateway.settings.limits.drain_s):
        async with anyio.create_task_group() as tasks:
            for session in tuple(sessions.live.values()):
                tasks.start_soon(_drain_session, session, sessions.journal)
            tasks.start_soon(gateway.admission.emptied)
            tasks.start_soon(gateway.file_admission.emptied)
    state.is_due.set()
    with anyio.move_on_after(_LEAVE_S):
        for session in tuple(sessions.live.values()):
            _disconnect(session)
        await gateway.admission.emptied()
        await gateway.file_admission.emptied()


async def _drain_session(session: "Session", journal: "Journal | None") -> None:
    if session.audience.token is None or session.has_stopped:
        if not session.has_stopped:
            session.end_early(Draining("the gateway is stopping; received audio is still transcribed"))
        await session.closed.wait()
    else:
        await session.transcriber.answered()
        if journal is not None:
            with suppress(StateUnavailable):
                await journal.find(session.session_id)  # queued after the finals, which are sent once they are written
        _disconnect(session)


def _disconnect(session: "Session") -> None:
    if session.audience.peer is not None:
        session.audience.peer.end(Draining("the gateway is stopping"))
