"""A server in this process for the streams of tests: its end of a memory connection, and what it received."""

from collections.abc import AsyncIterator, Awaitable, Callable, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import ObjectStream
from anyio.streams.stapled import StapledObjectStream

from clients.bench.endpoint import Endpoint
from clients.bench.self_test_dialect import FINISH, SelfTestDriver, encode
from clients.connection import ConnectionFailed
from clients.dialects.driver import Driver, DriverEvent, Target

__all__ = ["Peer", "endpoint"]

MESSAGES = 4
"""Messages that a connection holds before a send blocks."""


@dataclass(slots=True)
class Peer:
    """The server's end of one connection.

    Attributes:
        number: of the connection, from 0.
        received: messages, and the times of their arrival.
    """

    number: int
    _stream: ObjectStream[str | bytes]
    received: list[tuple[float, str | bytes]] = field(default_factory=list)

    async def send(self, *events: DriverEvent) -> None:
        for event in events:
            await self._stream.send(encode(event))

    async def send_raw(self, message: str) -> None:
        await self._stream.send(message)

    async def receive(self) -> str | bytes:
        message = await self._stream.receive()
        self.received.append((anyio.current_time(), message))
        return message

    async def until_finish(self) -> None:
        """Read until the client says that its audio has ended."""
        while await self.receive() != FINISH:
            pass

    async def close(self) -> None:
        await self._stream.aclose()


Serve = Callable[[Peer], Awaitable[None]]


def endpoint(
    serve: Serve,
    make_driver: Callable[[], Driver] = SelfTestDriver,
    refused: Container[int] = (),
    *,
    status: int | None = 503,
    is_ready_when_connected: bool = False,
) -> Endpoint:
    """Return an endpoint whose connections are served by a function.

    Args:
        serve: serves one connection; the connection stays open when it returns.
        make_driver: as of the endpoint.
        refused: numbers of the connections that are refused, from 0.
        status: of the refusals; None: the server cannot be reached.
        is_ready_when_connected: as of the endpoint.
    """
    count = 0

    @asynccontextmanager
    async def connect(target: Target) -> AsyncIterator[ObjectStream[str | bytes]]:
        nonlocal count
        number, count = count, count + 1
        if number in refused:
            raise ConnectionFailed("full", status, "full")
        to_server = anyio.create_memory_object_stream[str | bytes](MESSAGES)
        to_client = anyio.create_memory_object_stream[str | bytes](MESSAGES)

        async def serve_quietly() -> None:
            try:
                await serve(peer)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

        peer = Peer(number, StapledObjectStream(to_client[0], to_server[1]))
        client = StapledObjectStream(to_server[0], to_client[1])
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(serve_quietly)
                yield client
                tasks.cancel_scope.cancel()
        finally:
            for stream in (*to_server, *to_client):
                stream.close()

    return Endpoint("test://", make_driver, connect, is_ready_when_connected)
