"""Work for an HTTP client, which ends when the client disconnects."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from gateway.cancellation import work_until

__all__ = ["DISCONNECTED", "while_connected"]

DISCONNECTED = "disconnected"
"""The outcome of work whose client has gone."""


async def while_connected(request: Request, work: Callable[[], Awaitable[str]]) -> str:
    """Run the work and return its outcome; cancel it and return `DISCONNECTED` when the client disconnects."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass  # the rest of the body

    return await work_until(disconnected, work, DISCONNECTED)
