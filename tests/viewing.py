"""Sessions over real sockets, and their viewers, by server-sent events and WebSockets."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore
from gateway.sqlite import StateDatabase
from tests.servers import Served
from tests.sessions import Message, silence, speech

__all__ = [
    "MASTER",
    "SPEECH",
    "EventStream",
    "bearer",
    "keys",
    "listed_sessions",
    "open_ids",
    "received_on",
    "session",
    "settings_with",
    "speak",
    "stopped_session",
    "watch",
    "watch_socket",
]

START: Message = {"type": "start", "language": "en"}

SPEECH = (silence(0.5), speech(1.2), silence(0.8))
"""One utterance."""

MASTER = "master"
"""A key of the settings."""


@dataclass(frozen=True, slots=True)
class EventStream:
    """The server-sent events that one viewer receives.

    Attributes:
        response: its status and headers.
        lines: of the body, as they arrive.
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


def bearer(secret: str) -> dict[str, str]:
    """Return the header with a key or a view token."""
    return {"Authorization": f"Bearer {secret}"}


def settings_with(folder: Path, *, is_written: bool = True, has_keys: bool = False) -> dict[str, dict[str, object]]:
    """Return settings of a gateway whose files are in a folder."""
    settings: dict[str, dict[str, object]] = {
        "journal": {"database": folder / "journal.db", "enabled": is_written},
        "state": {"database": folder / "state.db"},
    }
    return settings | {"server": {"api_keys": [MASTER]}} if has_keys else settings


@contextmanager
def keys(path: Path, *names: str) -> Iterator[Mapping[str, str]]:
    """Create stored keys, and yield them by name."""
    database = StateDatabase(path, (KEYS_SCHEMA,))
    try:
        yield {name: KeyStore(database).create(name, 0.0) for name in names}
    finally:
        database.close()


@asynccontextmanager
async def session(
    served: Served, key: str | None = None, **options: object
) -> AsyncIterator[tuple[ClientConnection, str]]:
    """Open a session of the native dialect while the block lasts, and yield its id too."""
    headers = bearer(key) if key else {}
    async with connect(served.stream_url, additional_headers=headers) as websocket:
        await websocket.send(json.dumps(START | options))
        ready = json.loads(await websocket.recv())
        yield websocket, ready["session_id"]


async def speak(websocket: ClientConnection) -> list[Message]:
    """Send one utterance, and return the gateway's messages up to its final."""
    for audio in SPEECH:
        await websocket.send(audio)
    messages: list[Message] = []
    while not messages or messages[-1]["type"] != "final":
        messages.append(json.loads(await websocket.recv()))
    return messages


async def stopped_session(served: Served, key: str | None = None) -> tuple[str, list[Message]]:
    """Send one utterance in a session, end it, and return its id and the messages to its client."""
    async with session(served, key) as (websocket, session_id):
        messages = await speak(websocket)
        await websocket.send(json.dumps({"type": "stop"}))
        messages += [json.loads(message) async for message in websocket]
    return session_id, messages


@asynccontextmanager
async def watch_socket(
    served: Served, session_id: str, headers: Mapping[str, str] | None = None, **params: object
) -> AsyncIterator[ClientConnection]:
    """View a session over a WebSocket while the block lasts."""
    query = f"?{urlencode(params)}" if params else ""
    url = f"{served.url.replace('http', 'ws', 1)}/v1/sessions/{session_id}/events{query}"
    async with connect(url, additional_headers=headers) as websocket:
        yield websocket


async def received_on(websocket: ClientConnection) -> tuple[list[Message], int]:
    """Return the messages up to the close, and the close code."""
    messages: list[Message] = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(await websocket.recv()))
    assert websocket.close_code is not None
    return messages, websocket.close_code


@asynccontextmanager
async def watch(
    served: Served,
    session_id: str,
    after: int | None = None,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
) -> AsyncIterator[EventStream]:
    """View a session by server-sent events while the block lasts."""
    given = {"after": after, "token": token}
    params = {name: str(value) for name, value in given.items() if value is not None}
    async with (
        httpx2.AsyncClient(base_url=served.url, timeout=20) as client,
        client.stream("GET", f"/v1/sessions/{session_id}/events", params=params, headers=headers) as response,
    ):
        yield EventStream(response, response.aiter_lines())


async def open_ids(served: Served, headers: Mapping[str, str] | None = None, *, with_past: bool = False) -> list[str]:
    """Return the ids of the open sessions, or also of those in the journal."""
    params = {"all": "true"} if with_past else {}
    async with httpx2.AsyncClient(base_url=served.url) as client:
        reply = await client.get("/v1/sessions", headers=headers, params=params)
    assert reply.status_code == 200
    return [str(session["id"]) for session in reply.json()["data"]]


async def listed_sessions(client: httpx2.AsyncClient, **params: str) -> list[Message]:
    """Return the list of sessions as the gateway gives it without a key."""
    found: list[Message] = (await client.get("/v1/sessions", params=params)).json()["data"]
    return found
