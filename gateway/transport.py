"""The transport seam; a WebSocket of the server, and a pair of memory streams for a peer in this process."""

from typing import Protocol

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from anyio.streams.stapled import StapledObjectStream
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.errors import Disconnected

__all__ = ["MemoryTransport", "Transport", "WebSocketTransport", "memory_pair"]

_MEMORY_MESSAGES = 16
"""Messages under way in each direction, as many as a WebSocket library queues."""


class Transport(Protocol):
    """One open connection, message by message."""

    async def receive(self) -> str | bytes:
        """Return the next message.

        Raises:
            Disconnected: the peer is gone.
        """
        ...

    async def send(self, message: str | bytes) -> None:
        """Send one message, waiting while the peer does not read.

        Raises:
            Disconnected: the peer is gone.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye; nothing happens where the peer is gone."""
        ...


class WebSocketTransport:
    """A WebSocket that the server has accepted."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> str | bytes:
        """Return the next message, text as str and binary as bytes."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise Disconnected(f"the peer closed with {message.get('code')}")
        text: str | None = message.get("text")
        data: bytes | None = message.get("bytes")
        return text if text is not None else data or b""

    async def send(self, message: str | bytes) -> None:
        """Send one message, waiting while the peer does not read."""
        try:
            if isinstance(message, str):
                await self._websocket.send_text(message)
            else:
                await self._websocket.send_bytes(message)
        except (WebSocketDisconnect, RuntimeError) as error:  # starlette raises the latter once it knows of the close
            raise Disconnected("the peer is gone") from error

    async def close(self, code: int, reason: str) -> None:
        """Send the close frame; nothing happens where the peer is gone."""
        try:
            await self._websocket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise Disconnected("the peer is gone") from error


class MemoryTransport:
    """The gateway's end of a connection inside the process."""

    def __init__(
        self, inward: MemoryObjectReceiveStream[str | bytes], outward: MemoryObjectSendStream[str | bytes]
    ) -> None:
        self.close_code: int | None = None
        self._inward = inward
        self._outward = outward

    async def receive(self) -> str | bytes:
        """Return the peer's next message."""
        try:
            return await self._inward.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError) as error:
            raise Disconnected("the peer closed") from error

    async def send(self, message: str | bytes) -> None:
        """Send one message, waiting while the peer does not read."""
        try:
            await self._outward.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise Disconnected("the peer is gone") from error

    async def close(self, code: int, reason: str) -> None:
        """Close both directions."""
        self.close_code = code
        self._inward.close()
        self._outward.close()


def memory_pair() -> tuple[MemoryTransport, StapledObjectStream[str | bytes]]:
    """Return the two ends of a connection inside the process: the gateway's and the peer's."""
    to_gateway, inward = anyio.create_memory_object_stream[str | bytes](_MEMORY_MESSAGES)
    outward, from_gateway = anyio.create_memory_object_stream[str | bytes](_MEMORY_MESSAGES)
    return MemoryTransport(inward, outward), StapledObjectStream(to_gateway, from_gateway)
