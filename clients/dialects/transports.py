"""Connections to the targets of drivers: WebSocket, TCP, or one HTTP request."""

import http.client
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from http import HTTPStatus
from socket import SHUT_RDWR
from typing import assert_never
from urllib.parse import urlsplit

import anyio
from anyio import to_thread
from anyio.abc import ByteStream, ObjectStream

from clients.connection import Closed, Connection, ConnectionFailed, connect_websocket
from clients.dialects.driver import Target, Transport

__all__ = ["open_transport"]

_CONNECT_S = 10.0
"""As long as `websockets` waits for an upgrade."""

_RESPONSE_S = 600.0
"""OpenAI's own client waits as long."""


@asynccontextmanager
async def open_transport(target: Target) -> AsyncIterator[Connection]:
    """Connect to the target of a driver for the duration of the block.

    `receive` of what it yields raises `Closed` once the connection is closed; its `code` and `reason` are the arguments
    of `Driver.closed`. So are the `status` and `body` of `ConnectionFailed`.

    Raises:
        ConnectionFailed: the server cannot be reached, or refuses; the message says why.
    """
    async with AsyncExitStack() as opened:
        match target.transport:
            case Transport.WEBSOCKET:
                websocket = connect_websocket(target.url, target.headers, target.subprotocols)
                yield await opened.enter_async_context(websocket)
            case Transport.TCP:
                yield await opened.enter_async_context(await _connect_tcp(target.url))
            case Transport.HTTP_POST:
                yield await opened.enter_async_context(_HttpRequest(target.url, target.headers))
            case _:
                assert_never(target.transport)


async def _connect_tcp(url: str) -> "_TcpStream":
    parts = urlsplit(url)
    if not parts.hostname or not parts.port:
        raise ConnectionFailed(f"{url} cannot be reached: expected tcp://HOST:PORT")
    try:
        with anyio.fail_after(_CONNECT_S):
            return _TcpStream(await anyio.connect_tcp(parts.hostname, parts.port))
    except (OSError, TimeoutError) as error:
        raise ConnectionFailed(f"{url} cannot be reached: {error}") from error


class _TcpStream(ObjectStream[str | bytes]):
    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    async def receive(self) -> bytes:
        try:
            return await self._stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError) as error:
            raise Closed from error

    async def send(self, item: str | bytes) -> None:
        await self._stream.send(item.encode() if isinstance(item, str) else item)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


class _HttpRequest(ObjectStream[str | bytes]):
    """One POST: `send` takes its body, the first `receive` returns the response's; the next one is the end."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._headers = headers
        self._body: bytes | None = None
        self._has_body = anyio.Event()
        self._has_response = False
        self._connection = _http_connection(url)

    async def send(self, item: str | bytes) -> None:
        if self._body is not None:
            raise anyio.BrokenResourceError("the request has been sent: it has one body")
        self._body = item.encode() if isinstance(item, str) else item
        self._has_body.set()

    async def receive(self) -> bytes:
        await self._has_body.wait()
        if self._has_response:
            raise Closed
        self._has_response = True
        try:
            status, body = await to_thread.run_sync(self._post, abandon_on_cancel=True)
        except (OSError, http.client.HTTPException) as error:
            raise Closed(None, f"{self._url.partition('?')[0]} did not answer: {error}") from error
        if status >= HTTPStatus.BAD_REQUEST:
            raise Closed(status, body.decode(errors="replace"))
        return body

    async def send_eof(self) -> None:
        """Do nothing: the body is whole."""

    async def aclose(self) -> None:
        """Close the connection, which ends a request under way."""
        if self._connection.sock is not None:
            with suppress(OSError):
                self._connection.sock.shutdown(SHUT_RDWR)  # `close` alone would leave the thread waiting
        self._connection.close()

    def _post(self) -> tuple[int, bytes]:
        parts = urlsplit(self._url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        self._connection.request("POST", path, self._body, dict(self._headers))
        response = self._connection.getresponse()
        return response.status, response.read()


def _http_connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    if not parts.hostname:
        raise ConnectionFailed(f"{url} cannot be reached: expected http://HOST:PORT")
    return kind(parts.hostname, parts.port, timeout=_RESPONSE_S)
