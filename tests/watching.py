"""Viewers of sessions: server-sent events, read over HTTP."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from tests.servers import Served
from tests.sessions import Message

__all__ = ["Watch", "open_ids", "watch"]


@dataclass(frozen=True, slots=True)
class Watch:
    """What one viewer is told.

    Attributes:
        response: its status and headers.
        lines: of the body, as they come.
    """

    response: httpx2.Response
    lines: AsyncIterator[str]

    async def next(self) -> Message | None:
        """Return the next event, with its id as `last_event_id`; None when it is over."""
        number = ""
        async for line in self.lines:
            name, _, value = line.partition(": ")
            if name == "id":
                number = value
            if name == "data":
                event: Message = json.loads(value)
                return event | {"last_event_id": number}
        return None

    async def until(self, kind: str) -> list[Message]:
        """Return the events up to the first of a kind."""
        events: list[Message] = []
        while not events or events[-1]["type"] != kind:
            event = await self.next()
            assert event is not None, f"it was over after {events}"
            events.append(event)
        return events

    async def all(self) -> list[Message]:
        """Return the events up to the end."""
        events: list[Message] = []
        while (event := await self.next()) is not None:
            events.append(event)
        return events


@asynccontextmanager
async def watch(
    served: Served, session_id: str, after: int | None = None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Watch]:
    """Watch a session while the block lasts."""
    params = {} if after is None else {"after": str(after)}
    async with (
        httpx2.AsyncClient(base_url=served.url, timeout=20) as client,
        client.stream("GET", f"/v1/sessions/{session_id}/events", params=params, headers=headers) as response,
    ):
        yield Watch(response, response.aiter_lines())


async def open_ids(served: Served, headers: Mapping[str, str] | None = None) -> list[str]:
    """Return the ids of the sessions that can be watched."""
    async with httpx2.AsyncClient(base_url=served.url) as client:
        reply = await client.get("/v1/sessions", headers=headers)
    assert reply.status_code == 200
    return [str(session["id"]) for session in reply.json()["data"]]
