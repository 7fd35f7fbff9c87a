"""A gateway that is cut off: nothing closes the connection, and nothing is read from it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import patch

import anyio
import pytest
from websockets.asyncio.server import ServerConnection, serve

from clients.connection import Closed, Connection, connect, connect_websocket

FRAME = bytes(2**20)


@asynccontextmanager
async def cut_off_server() -> AsyncIterator[str]:
    """Serve connections from which nothing is read while the block lasts, and yield the URL."""
    is_over = anyio.Event()

    async def read_nothing(socket: ServerConnection) -> None:
        socket.transport.pause_reading()
        await is_over.wait()
        socket.transport.abort()

    async with serve(read_nothing, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        is_over.set()


async def send_until_it_fails(connection: Connection) -> None:
    while True:  # until the buffers of both sides are full
        await connection.send(FRAME)


async def test_a_connection_that_takes_nothing_more_is_given_up() -> None:
    async with cut_off_server() as url:
        with patch("clients.connection._STALL_S", 0.2), anyio.fail_after(10):
            async with connect(url) as connection:
                with pytest.raises(anyio.BrokenResourceError):
                    await send_until_it_fails(connection)
                with pytest.raises(Closed):
                    await connection.receive()


async def test_another_server_may_read_as_slowly_as_it_likes() -> None:
    async with cut_off_server() as url:
        with patch("clients.connection._STALL_S", 0.01):
            async with connect_websocket(url, {}) as connection:
                with anyio.move_on_after(0.5) as waiting:
                    await send_until_it_fails(connection)
                assert waiting.cancelled_caught
                await anyio.aclose_forcefully(connection)
