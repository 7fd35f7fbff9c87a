"""Transports against servers on loopback."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from threading import Event

import anyio
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from clients.connection import Closed, ConnectionFailed, NormalClosure
from clients.dialects.driver import Target, Transport
from clients.dialects.transports import open_transport
from tests.http_server import serving_http

Handler = Callable[[ServerConnection], Awaitable[None]]
Refusal = Callable[[ServerConnection, Request], Response]


@asynccontextmanager
async def websocket_server(handler: Handler, refusal: Refusal | None = None) -> AsyncIterator[str]:
    """Serve the subprotocol `token`, or clients without any."""

    def subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return offered[0] if offered else None

    async with serve(handler, "127.0.0.1", 0, select_subprotocol=subprotocol, process_request=refusal) as server:
        [listener] = server.sockets
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/x"


async def test_a_websocket_carries_text_and_bytes_with_headers_and_subprotocol() -> None:
    async def echo(websocket: ServerConnection) -> None:
        assert websocket.request is not None
        await websocket.send(f"{websocket.request.headers['X-Key']} {websocket.subprotocol}")
        await websocket.send(await websocket.recv())

    async with websocket_server(echo) as url:
        target = Target(url, headers={"X-Key": "k"}, subprotocols=("token",))
        async with open_transport(target) as connection:
            assert await connection.receive() == "k token"
            await connection.send(b"ab")
            assert await connection.receive() == b"ab"
            with pytest.raises(NormalClosure):
                await connection.receive()


async def test_the_close_of_a_websocket_has_its_code_and_reason() -> None:
    async def refuse(websocket: ServerConnection) -> None:
        await websocket.close(1013, "full")

    async with websocket_server(refuse) as url, open_transport(Target(url)) as connection:
        with pytest.raises(Closed) as closed:
            await connection.receive()
    assert (closed.value.code, closed.value.reason) == (1013, "full")


async def test_a_websocket_that_breaks_off_has_no_code() -> None:
    async def abort(websocket: ServerConnection) -> None:
        websocket.transport.abort()

    async with websocket_server(abort) as url, open_transport(Target(url)) as connection:
        with pytest.raises(Closed) as closed:
            await connection.receive()
    assert closed.value.code is None


async def test_a_refused_upgrade_has_the_status_and_body() -> None:
    def deny(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus.TOO_MANY_REQUESTS, '{"err_code":"BUSY","err_msg":"full"}')

    async def never(websocket: ServerConnection) -> None:
        raise AssertionError("denied")

    async with websocket_server(never, deny) as url:
        with pytest.raises(ConnectionFailed) as failed:
            async with open_transport(Target(f"{url}?token=secret")):
                pass
    assert (failed.value.status, failed.value.body) == (429, '{"err_code":"BUSY","err_msg":"full"}')
    assert "secret" not in str(failed.value)


async def test_tcp_carries_bytes_until_either_end_closes() -> None:
    async def echo(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            await stream.send(await stream.receive())

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    [socket] = listener.listeners
    port = socket.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  # not Django's
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo)
        async with open_transport(Target(f"tcp://127.0.0.1:{port}", Transport.TCP)) as connection:
            await connection.send("ab")
            await connection.send_eof()
            assert await connection.receive() == b"ab"
            with pytest.raises(Closed):
                await connection.receive()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:1", "tcp://127.0.0.1", "tcp://"])
async def test_a_tcp_server_that_is_not_there_cannot_be_reached(url: str) -> None:
    with pytest.raises(ConnectionFailed, match="cannot be reached"):
        async with open_transport(Target(url, Transport.TCP)):
            pass


# --- HTTP ----------------------------------------------------------------------------------------------------------


class Echo(BaseHTTPRequestHandler):
    """Answers with the request; a body `refuse` is refused, `break` breaks the connection."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"break":
            self.close_connection = True
            return
        self.send_response(413 if body == b"refuse" else 200)
        answer = f"{self.path} {self.headers['X-Key']} ".encode() + body
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def posting(url: str, path: str = "/x?a=b") -> Target:
    return Target(f"{url}{path}", Transport.HTTP_POST, {"X-Key": "k"})


async def test_a_request_has_one_body_and_one_response() -> None:
    with serving_http(Echo) as url:
        async with open_transport(posting(url)) as connection:
            await connection.send("ab")
            await connection.send_eof()
            assert await connection.receive() == b"/x?a=b k ab"
            with pytest.raises(Closed):
                await connection.receive()
            with pytest.raises(anyio.BrokenResourceError):
                await connection.send(b"cd")


async def test_a_refused_request_has_the_status_and_body() -> None:
    with serving_http(Echo) as url:
        async with open_transport(posting(url, "/x")) as connection:
            await connection.send(b"refuse")
            with pytest.raises(Closed) as closed:
                await connection.receive()
    assert (closed.value.code, closed.value.reason) == (413, "/x k refuse")


async def test_a_server_that_breaks_off_has_no_status() -> None:
    with serving_http(Echo) as url:
        async with open_transport(posting(url)) as connection:
            await connection.send(b"break")
            with pytest.raises(Closed) as closed:
                await connection.receive()
    assert closed.value.code is None
    assert closed.value.reason.startswith(f"{url}/x did not answer")


async def test_a_request_under_way_is_broken_off_with_its_block() -> None:
    received, broken_off = Event(), Event()

    class Stuck(Echo):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            received.set()
            if not self.rfile.read(1):
                broken_off.set()

    with serving_http(Stuck) as url:
        async with open_transport(posting(url)) as connection, anyio.create_task_group() as tasks:
            tasks.start_soon(connection.receive)
            await connection.send(b"ab")
            await anyio.to_thread.run_sync(received.wait)
            tasks.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(broken_off.wait, 5)


async def test_a_block_without_a_request_ends_too() -> None:
    async with open_transport(Target("https://127.0.0.1:1/x", Transport.HTTP_POST)) as connection:
        await connection.send_eof()


async def test_a_url_without_a_host_cannot_be_reached() -> None:
    with pytest.raises(ConnectionFailed, match="expected http://HOST:PORT"):
        async with open_transport(Target("http://", Transport.HTTP_POST)):
            pass
