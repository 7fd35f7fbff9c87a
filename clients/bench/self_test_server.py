"""The server of the self-test: transcribes nothing, and sends what its scripts say when they say it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import ObjectStream
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.exceptions import ConnectionClosed

from clients.bench.pacing import duration_s
from clients.bench.self_test_dialect import FINISH, SAMPLE_RATE_HZ, START, encode
from clients.bench.self_test_script import Script
from clients.dialects.driver import Failed, Finished, Ready

__all__ = ["BUSY", "READY_S", "ScriptedServer", "serving"]

READY_S = 0.2
"""From the start message until the server is ready."""

BUSY = Failed("busy", "all slots are taken")
"""The answer to connections beyond the scripts."""


@dataclass(slots=True)
class ScriptedServer:
    """Plays a script on each connection, in the order in which they are opened; further ones are refused.

    Attributes:
        scripts: of the connections.
        arrivals_s: of each frame: from the time at which its last sample was captured until its arrival.
        received_bytes: of audio.
        late_s: of each message: from the time that its script states until it was sent.
    """

    scripts: Sequence[Script]
    arrivals_s: list[float] = field(default_factory=list)
    received_bytes: int = 0
    late_s: list[float] = field(default_factory=list)
    _connections: int = 0

    async def serve(self, connection: ObjectStream[str | bytes]) -> None:
        """Serve one connection until all audio is answered; return when the client closes it.

        Raises:
            anyio.EndOfStream: the client left early.
        """
        number, self._connections = self._connections, self._connections + 1
        message = await connection.receive()
        assert message == START, "the driver begins with the start"
        if number >= len(self.scripts):
            await connection.send(encode(BUSY))
            return
        await anyio.sleep(READY_S)
        await connection.send(encode(Ready()))
        begin_s = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, connection, begin_s)
            for scripted in self.scripts[number].messages:
                await anyio.sleep_until(begin_s + scripted.at_s)
                self.late_s.append(anyio.current_time() - begin_s - scripted.at_s)
                await connection.send(encode(scripted.transcript))
        await connection.send(encode(Finished()))

    async def _listen(self, connection: ObjectStream[str | bytes], begin_s: float) -> None:
        received_s = 0.0
        while (message := await connection.receive()) != FINISH:
            assert isinstance(message, bytes), "the driver sends audio until it finishes"
            received_s += duration_s(message, SAMPLE_RATE_HZ)
            self.received_bytes += len(message)
            self.arrivals_s.append(anyio.current_time() - begin_s - received_s)


class _ServerSocket(ObjectStream[str | bytes]):
    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    async def receive(self) -> str | bytes:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise anyio.EndOfStream from error

    async def send(self, item: str | bytes) -> None:
        try:
            await self._connection.send(item)
        except ConnectionClosed as error:
            raise anyio.BrokenResourceError from error

    async def send_eof(self) -> None:
        raise NotImplementedError("a WebSocket closes both directions at once")

    async def aclose(self) -> None:
        await self._connection.close()


@asynccontextmanager
async def serving(server: ScriptedServer) -> AsyncIterator[str]:
    """Serve on a free port of loopback for the duration of the block; yield the URL."""

    async def handle(connection: ServerConnection) -> None:
        try:
            await server.serve(_ServerSocket(connection))
            await connection.wait_closed()
        except* (anyio.EndOfStream, anyio.BrokenResourceError):
            pass  # the client left early

    async with serve_websocket(handle, "127.0.0.1", 0, compression=None) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"
