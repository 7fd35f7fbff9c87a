"""Cancellation of work by an event: a client disconnects, a key is revoked, the gateway stops."""

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
    """Return the outcome of the work, or cancel it when the event comes first.

    Args:
        ended: waits for the event.
        work: may raise any exception.
        otherwise: returned where the work was cancelled.

    Raises:
        LivecueError, ClientDisconnect: by the work, unwrapped; a task group would put them into an exception group.
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
