"""The end of a gateway: nothing new is begun, what was received is answered, files are finished or refused.

| step | what happens |
|---|---|
| 1 | `/readyz` says `draining`; sessions and files are refused with 503; who has not begun is let go |
| 2 | sessions hear nothing more and get their finals; one that can be resumed is left to the next gateway |
| 3 | `limits.drain_s` later at most, files that are still in work are refused, and connections are closed with 1012 |
"""

import anyio

from gateway.runtime import Gateway

__all__ = ["drain"]

_LEAVE_S = 3.0
"""What peers get to take their last message once time is up: three times what a close frame may take."""


async def drain(gateway: Gateway) -> None:
    """Bring all sessions and files of a gateway to their end; return once that is done, or time is up."""
    sessions = gateway.sessions
    sessions.drain.begin()
    with anyio.move_on_after(gateway.settings.limits.drain_s):
        async with anyio.create_task_group() as tasks:
            for session in sessions.live:
                tasks.start_soon(session.drain)
            tasks.start_soon(gateway.admission.emptied)
            tasks.start_soon(gateway.file_admission.emptied)
    sessions.drain.is_due.set()
    with anyio.move_on_after(_LEAVE_S):
        for session in sessions.live:
            session.release()
        await gateway.admission.emptied()
        await gateway.file_admission.emptied()
