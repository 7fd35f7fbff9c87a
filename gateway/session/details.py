"""Changes the title and names of sessions: of live ones through the session, of those that have ended in the journal.

Requests for one session run one after the other, and not while it is being resumed.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from gateway.errors import Conflict, NotFound
from gateway.journal.amendment import amendment
from gateway.session.context import SessionContext
from gateway.session.corrections import ended_entry
from gateway.wire import Details

__all__ = ["DetailsChange", "change_details"]

DetailsChange = Callable[[Details], Details]
"""Returns the details that a change makes of those before; their number does not matter."""


async def change_details(context: SessionContext, session_id: str, change: DetailsChange) -> Details:
    """Change the details of a session, and return them.

    Args:
        context: shared by all sessions.
        session_id: of the session, live or ended.
        change: the change.

    Raises:
        NotFound: no such session.
        Conflict: another gateway was faster.
        SessionOpen: it is open at another gateway, or waits for its client.
        StateUnavailable: it has ended, and the journal cannot be read or written.
    """
    async with context.live.resuming(session_id):
        while (session := context.live.find(session_id)) is not None:
            if not (session.is_over or session.parts.output.log.is_closed):
                return session.parts.output.change_details(change)
            await session.closed.wait()  # its last events are being journaled
        return await _change_ended(context, session_id, change)


async def _change_ended(context: SessionContext, session_id: str, change: DetailsChange) -> Details:
    journal = context.journal
    if journal is None:
        raise NotFound(f"no session {session_id!r}", "session_id")
    grace_s = context.settings.session.grace_s
    with journal.pinned(session_id):
        entry = await ended_entry(journal, session_id, grace_s)
        if await journal.store.acquire(session_id):  # no other gateway changes it from now on
            entry = await ended_entry(journal, session_id, grace_s)
        before = entry.details or Details(0)
        details = replace(change(before), seq=await journal.store.last_seq(session_id) + 1)
        superseded = [] if entry.details is None else [before.seq]
        if await journal.write(amendment(entry, details, superseded, time.time())):
            raise Conflict(f"session {session_id} is being changed at another gateway: try again", "session_id")
        return details
