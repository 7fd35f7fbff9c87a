"""A WebSocket to a server, as an anyio stream of messages."""

import json
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from urllib.parse import urlsplit, urlunsplit

import anyio
from anyio.abc import ObjectStream
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from gateway.wire import LivecueError

__all__ = [
    "Closed",
    "Connect",
    "Connection",
    "ConnectionFailed",
    "NormalClosure",
    "connect",
    "connect_websocket",
    "reason_of",
]

Connection = ObjectStream[str | bytes]
"""Messages to and from a server; `receive` raises `Closed` once it has closed."""

Connect = Callable[[], AbstractAsyncContextManager[Connection]]
"""Opens a connection for the duration of a block; raises `ConnectionFailed`."""

_STREAM_PATH = "/v1/stream"

_MAX_BODY_CHARS = 300
"""Length of a refusal's body in messages to the user."""

_PING_S, _PONG_S = 5.0, 20.0
"""A dead connection is detected within the sum, well before a gateway drops its session."""

_STALL_S = 20.0
"""A gateway always reads, so one that has not read for so long is cut off. Pings do not detect it: they wait in the
same full buffer."""

_CLOSE_S = 1.0
"""A gateway answers a close frame at once; later messages are not awaited."""

_MAX_MESSAGE_BYTES = 2**24
"""Some servers repeat the whole transcript in each message; 16 MiB are days of speech."""


class ConnectionFailed(LivecueError):
    """The server cannot be reached, or refuses the connection.

    Attributes:
        status: of the HTTP response that refused it; None: there was no response.
        body: of that response.
    """

    code = "connection_failed"

    def __init__(self, message: str, status: int | None = None, body: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = body

    @property
    def may_pass(self) -> bool:
        """Whether a retry may succeed: a gateway that is full, or starting behind a proxy, answers 5xx."""
        busy = HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT
        return self.status is None or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.status in busy


class Closed(anyio.EndOfStream):
    """The connection is closed: no message follows.

    Attributes:
        code: of the close frame; the HTTP status of a refusal, 400 or above; None: there was neither.
        reason: of the close frame, or the body of the refusal.
    """

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class NormalClosure(Closed):
    """The server closed the connection normally."""


class _WebSocketStream(ObjectStream[str | bytes]):
    def __init__(self, websocket: ClientConnection, stall_s: float | None) -> None:
        self._websocket = websocket
        self._stall_s = stall_s

    async def receive(self) -> str | bytes:
        try:
            return await self._websocket.recv()
        except ConnectionClosed as error:
            if error.rcvd is None:
                raise Closed from error
            is_normal = error.rcvd.code == CloseCode.NORMAL_CLOSURE
            raise (NormalClosure if is_normal else Closed)(error.rcvd.code, error.rcvd.reason) from error

    async def send(self, item: str | bytes) -> None:
        try:
            with anyio.fail_after(self._stall_s):
                await self._websocket.send(item)
        except ConnectionClosed as error:
            raise anyio.BrokenResourceError from error
        except TimeoutError as error:
            self._websocket.transport.abort()
            raise anyio.BrokenResourceError from error

    async def send_eof(self) -> None:
        raise NotImplementedError("a WebSocket closes both directions at once")

    async def aclose(self) -> None:
        if anyio.current_effective_deadline() == -math.inf:  # of `anyio.aclose_forcefully`: without a goodbye
            self._websocket.transport.abort()
            return
        await self._websocket.close()


@asynccontextmanager
async def connect(url: str, api_key: str | None = None) -> AsyncIterator[Connection]:
    """Connect to a gateway for the duration of the block.

    Args:
        url: `ws://HOST:PORT`, with or without a path; `http` and `https` mean `ws` and `wss`.
        api_key: sent as a bearer token.

    Raises:
        ConnectionFailed: it cannot be reached, or refuses; the message says why.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    async with connect_websocket(_stream_url(url), headers, pings=True) as connection:
        yield connection


@asynccontextmanager
async def connect_websocket(
    url: str, headers: Mapping[str, str], subprotocols: Sequence[str] = (), *, pings: bool = False
) -> AsyncIterator[Connection]:
    """Connect to any server for the duration of the block.

    Args:
        url: `ws:` or `wss:`, complete.
        headers: of the upgrade.
        subprotocols: offered in the upgrade.
        pings: whether a server that answers no ping for 25 s, or reads nothing for 20 s, is given up; it may merely be
            slow.

    Raises:
        ConnectionFailed: it cannot be reached, or refuses; the message says why.
    """
    displayed = url.partition("?")[0]  # the query may hold a token
    try:
        # audio does not compress, and the gateway would decline
        websocket = await websocket_connect(
            url,
            additional_headers=headers,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            compression=None,
            close_timeout=_CLOSE_S,
            max_size=_MAX_MESSAGE_BYTES,
            ping_interval=_PING_S if pings else None,
            ping_timeout=_PONG_S,
        )
    except InvalidStatus as error:
        status, body = error.response.status_code, error.response.body or b""
        message = f"{displayed} refused the connection with HTTP {status}: {reason_of(body)}"
        raise ConnectionFailed(message, status, body.decode(errors="replace")) from error
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        raise ConnectionFailed(f"{displayed} cannot be reached: {error}") from error
    async with websocket:
        yield _WebSocketStream(websocket, _STALL_S if pings else None)


def reason_of(body: bytes) -> str:
    """Return the error message in a refusal's body, or the start of the body if it has none."""
    text = body.decode(errors="replace")[:_MAX_BODY_CHARS]
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return text


def _stream_url(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"ws://{url}")
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit(parts._replace(scheme=scheme, path=parts.path.rstrip("/") or _STREAM_PATH))
