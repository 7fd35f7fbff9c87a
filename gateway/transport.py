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


class SparingTransport:
    """A connection that holds a place only while something comes; to be entered before and left after it.

    Args:
        transport: open.
        enter: returns what holds a place.
        idle_s: a peer that has sent nothing for so long has none, until it sends something again.
    """

    def __init__(self, transport: Transport, enter: Callable[[], AbstractContextManager[None]], idle_s: float) -> None:
        self._transport = transport
        self._enter = enter
        self._idle_s = idle_s
        self._place = ExitStack()
        self._has_place = False

    def __enter__(self) -> Self:
        """Take a place.

        Raises:
            Overloaded: there is none.
        """
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place back."""
        self._give_back()

    async def receive(self) -> str | bytes:
        """Return the next message.

        Raises:
            Disconnected: the peer is gone.
            Overloaded: there is no place any more for one that was silent.
        """
        if self._has_place:
            with anyio.move_on_after(self._idle_s):
                return await self._transport.receive()
            self._give_back()
        message = await self._transport.receive()
        self._take()
        return message

    async def send(self, message: str | bytes) -> None:
        """Send one message, waiting while the peer does not read."""
        await self._transport.send(message)

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye."""
        await self._transport.close(code, reason)

    def _take(self) -> None:
        self._place.enter_context(self._enter())
        self._has_place = True

    def _give_back(self) -> None:
        self._has_place = False
        self._place.close()


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
