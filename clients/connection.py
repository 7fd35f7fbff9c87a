"""A WebSocket to a gateway, as an anyio stream of messages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import anyio
from anyio.abc import ObjectStream
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from gateway.wire import LivecueError

__all__ = ["Connection", "ConnectionFailed", "connect"]

Connection = ObjectStream[str | bytes]
"""Messages to and from a gateway; `receive` raises `anyio.EndOfStream` once it has closed."""

_STREAM_PATH = "/v1/stream"

_MAX_BODY_CHARS = 300
"""Of a refusal's body, shown to the user."""


class ConnectionFailed(LivecueError):
    """The gateway cannot be reached, or refuses."""

    code = "connection_failed"


class _WebSocketStream(ObjectStream[str | bytes]):
    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket

    async def receive(self) -> str | bytes:
        try:
            return await self._websocket.recv()
        except ConnectionClosed as error:
            raise anyio.EndOfStream from error

    async def send(self, item: str | bytes) -> None:
        try:
            await self._websocket.send(item)
        except ConnectionClosed as error:
            raise anyio.BrokenResourceError from error

    async def send_eof(self) -> None:
        raise NotImplementedError("a WebSocket closes both ways at once")

    async def aclose(self) -> None:
        await self._websocket.close()


@asynccontextmanager
async def connect(url: str, api_key: str | None = None) -> AsyncIterator[Connection]:
    """Connect to a gateway for as long as the block lasts.

    Args:
        url: `ws://HOST:PORT`, with or without the path; `http` and `https` are taken for `ws` and `wss`.
        api_key: sent as a bearer token.

    Raises:
        ConnectionFailed: it cannot be reached, or refuses; the message says why.
    """
    address = _stream_url(url)
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        # sound does not compress, and the gateway would decline
        websocket = await websocket_connect(address, additional_headers=headers, compression=None)
    except InvalidStatus as error:
        body = (error.response.body or b"").decode(errors="replace")[:_MAX_BODY_CHARS]
        raise ConnectionFailed(f"{address} refuses with HTTP {error.response.status_code}: {body}") from error
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        raise ConnectionFailed(f"{address} cannot be reached: {error}") from error
    async with websocket:
        yield _WebSocketStream(websocket)


def _stream_url(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"ws://{url}")
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit(parts._replace(scheme=scheme, path=parts.path.rstrip("/") or _STREAM_PATH))
