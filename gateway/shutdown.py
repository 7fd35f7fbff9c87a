"""The end of a gateway: nothing new is begun, what was received is answered, files are finished or refused.

| step | what happens |
|---|---|
| 1 | `/readyz` says `draining`; sessions and files are refused with 503; who has not begun is let go |
| 2 | sessions hear nothing more and get their finals; one that can be resumed is left to the next gateway |
| 3 | `limits.drain_s` later at most, files that are still in work are refused, and connections are closed with 1012 |
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
"""What peers get to take their last message once time is up: three times what a close frame may take."""


async def drain(gateway: "Gateway") -> None:
    """Bring all that goes on in a gateway to its end; return once that is so, or time is up."""
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
            _let_go(session)
        await gateway.admission.emptied()
        await gateway.file_admission.emptied()


async def _drain_session(session: "Session", journal: "Journal | None") -> None:
    if session.audience.token is None or session.has_stopped:
        if not session.has_stopped:
            session.end_early(Draining("the gateway stops; what it has received is still answered"))
        await session.closed.wait()
    else:
        await session.transcriber.answered()
        if journal is not None:
            with suppress(StateUnavailable):
                await journal.find(session.session_id)  # in its turn: finals are sent once they are written down
        _let_go(session)


def _let_go(session: "Session") -> None:
    if session.audience.peer is not None:
        session.audience.peer.end(Draining("the gateway stops"))
