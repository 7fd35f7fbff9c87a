"""The transport seam; a WebSocket of the server, and a pair of memory streams for a peer in this process."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Protocol, Self

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from anyio.streams.stapled import StapledObjectStream
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.errors import Disconnected

__all__ = ["MemoryTransport", "SparingTransport", "Transport", "WebSocketTransport", "memory_pair"]

_MEMORY_MESSAGES = 16
"""Messages queued in each direction, as many as a WebSocket library queues."""


class Transport(Protocol):
    """An open connection that carries messages."""

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
        """Close the connection; do nothing if the peer is gone."""
        ...


class WebSocketTransport:
    """An accepted WebSocket."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> str | bytes:
        """Return the next message, text as str and binary as bytes."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise Disconnected(f"the peer closed the connection with code {message.get('code')}")
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
        except (WebSocketDisconnect, RuntimeError) as error:  # starlette raises the latter after a close
            raise Disconnected("the peer is gone") from error

    async def close(self, code: int, reason: str) -> None:
        """Send the close frame."""
        try:
            await self._websocket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise Disconnected("the peer is gone") from error


class SparingTransport:
    """A connection that holds a slot only while its peer is active; a context manager.

    Args:
        transport: open.
        enter: returns a context manager that holds a slot.
        idle_s: after so long without a message, the slot is released until the next one.
    """

    def __init__(self, transport: Transport, enter: Callable[[], AbstractContextManager[None]], idle_s: float) -> None:
        self._transport = transport
        self._enter = enter
        self._idle_s = idle_s
        self._slot = ExitStack()
        self._has_slot = False

    def __enter__(self) -> Self:
        """Take a slot.

        Raises:
            Overloaded: there is no free slot.
        """
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the slot."""
        self._release()

    async def receive(self) -> str | bytes:
        """Return the next message.

        Raises:
            Disconnected: the peer is gone.
            Overloaded: there is no free slot for a peer that was idle.
        """
        if self._has_slot:
            with anyio.move_on_after(self._idle_s):
                return await self._transport.receive()
            self._release()
        message = await self._transport.receive()
        self._take()
        return message

    async def send(self, message: str | bytes) -> None:
        """Send one message, waiting while the peer does not read."""
        await self._transport.send(message)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        await self._transport.close(code, reason)

    def _take(self) -> None:
        self._slot.enter_context(self._enter())
        self._has_slot = True

    def _release(self) -> None:
        self._has_slot = False
        self._slot.close()


class MemoryTransport:
    """The gateway's end of a connection within the process."""

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
            raise Disconnected("the peer closed the connection") from error

    async def send(self, message: str | bytes) -> None:
        """Send one message, waiting while the peer does not read."""
        try:
            await self._outward.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise Disconnected("the peer is gone") from error

    async def close(self, code: int, reason: str) -> None:
        """Close both directions, and note the code."""
        self.close_code = code
        self._inward.close()
        self._outward.close()


def memory_pair() -> tuple[MemoryTransport, StapledObjectStream[str | bytes]]:
    """Return the two ends of a connection within the process: the gateway's and the peer's."""
    to_gateway, inward = anyio.create_memory_object_stream[str | bytes](_MEMORY_MESSAGES)
    outward, from_gateway = anyio.create_memory_object_stream[str | bytes](_MEMORY_MESSAGES)
    return MemoryTransport(inward, outward), StapledObjectStream(to_gateway, from_gateway)
