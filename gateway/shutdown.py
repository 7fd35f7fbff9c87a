"""The graceful shutdown of a gateway.

| step | action |
|---|---|
| 1 | `/readyz` reports `draining`; new sessions and files are refused with 503; idle connections are closed |
| 2 | sessions receive no more audio and get their finals; resumable ones are left to the next gateway |
| 3 | at the latest after `limits.drain_s`, unfinished files are refused, and connections are closed with 1012 |
"""

import anyio

from gateway.runtime import Gateway

__all__ = ["drain"]

_LEAVE_S = 3.0
"""Time for peers to read their last message after the deadline: three times that of a close frame."""


async def drain(gateway: Gateway) -> None:
    """Finish all work of a gateway; return when it is done, or at the deadline."""
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
