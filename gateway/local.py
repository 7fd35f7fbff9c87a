"""A gateway inside this process, for commands that need no server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.stapled import StapledObjectStream

from decoder.choice import create_engine
from gateway.connections import Connection
from gateway.service import open_sessions
from gateway.settings import Settings
from gateway.transport import memory_pair
from gateway.wire.native import NativeCodec

__all__ = ["local_connection"]


@asynccontextmanager
async def local_connection(settings: Settings) -> AsyncIterator[StapledObjectStream[str | bytes]]:
    """Connect to a gateway of its own for as long as the block lasts; it speaks the native dialect.

    Raises:
        ModelError: the engine or its model cannot be loaded.
    """
    async with open_sessions(settings, create_engine(settings.engine)) as sessions, anyio.create_task_group() as tasks:
        transport, peer = memory_pair()
        tasks.start_soon(Connection(transport, NativeCodec(), sessions).run)
        async with peer:
            yield peer
        tasks.cancel_scope.cancel()
