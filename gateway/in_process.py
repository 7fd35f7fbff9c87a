"""A gateway within this process, for commands without a server."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import anyio
from anyio.streams.stapled import StapledObjectStream
from websockets.frames import CloseCode

from decoder.engine_selection import create_engine
from gateway.runtime import open_sessions
from gateway.session.connection import Connection
from gateway.session.context import SessionContext
from gateway.settings import Settings
from gateway.transport import memory_pair
from gateway.wire.native.codec import NativeCodec

__all__ = ["connection_to", "local_connection", "local_gateway"]

_Stream = StapledObjectStream[str | bytes]


@asynccontextmanager
async def local_gateway(settings: Settings) -> AsyncIterator[Callable[[], AbstractAsyncContextManager[_Stream]]]:
    """Run a gateway while the block lasts, and yield a function that opens a connection in the native dialect.

    Raises:
        ModelError: the engine or its model cannot be loaded.
    """
    async with open_sessions(settings, create_engine(settings.engine)) as sessions:
        yield partial(connection_to, sessions)


@asynccontextmanager
async def local_connection(settings: Settings) -> AsyncIterator[_Stream]:
    """Run a gateway and connect to it while the block lasts.

    Raises:
        ModelError: the engine or its model cannot be loaded.
    """
    async with local_gateway(settings) as connect, connect() as stream:
        yield stream


@asynccontextmanager
async def connection_to(sessions: SessionContext) -> AsyncIterator[_Stream]:
    """Connect to running sessions in the native dialect while the block lasts."""
    transport, peer = memory_pair()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Connection(transport, NativeCodec(), sessions).run)
            async with peer:
                yield peer
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await transport.close(CloseCode.GOING_AWAY, "")
