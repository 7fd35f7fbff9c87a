"""Work that somebody may end before it is done: a client that leaves, a key that is revoked, a gateway that stops."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from starlette.requests import ClientDisconnect

from vad.errors import LivecueError

__all__ = ["work_until"]

_Outcome = TypeVar("_Outcome")
_Otherwise = TypeVar("_Otherwise")


async def work_until(
    ended: Callable[[], Awaitable[object]], work: Callable[[], Awaitable[_Outcome]], otherwise: _Otherwise
) -> _Outcome | _Otherwise:
    """Return the outcome of a work; it is cancelled when its end comes first.

    Args:
        ended: returns when the work is to end.
        work: may raise what its caller handles.
        otherwise: returned where it was cancelled.

    Raises:
        LivecueError, ClientDisconnect: by the work, as they are; a task group alone would wrap them.
    """
    outcome: _Outcome | _Otherwise = otherwise
    failure: LivecueError | ClientDisconnect | None = None
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            await ended()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        try:
            outcome = await work()
        except (LivecueError, ClientDisconnect) as error:
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return outcome
