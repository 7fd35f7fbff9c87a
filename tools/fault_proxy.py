"""A TCP proxy on loopback that cuts connections at any byte, in either direction, visibly to either end or not."""

import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum, StrEnum

import anyio
from anyio.abc import SocketAttribute, SocketStream

__all__ = ["Cut", "FaultProxy", "Learns", "Way", "proxying"]

_HOST = "127.0.0.1"


class Way(Enum):
    """Direction of bytes."""

    TO_GATEWAY = 0
    TO_CLIENT = 1


class Learns(StrEnum):
    """Which end detects the cut; to the other, the connection only falls silent."""

    BOTH = "both"
    CLIENT = "the client"
    GATEWAY = "the gateway"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut of a connection.

    Attributes:
        way: direction of the counted bytes.
        after_bytes: number of bytes that still pass.
        learns: which end detects it.
    """

    way: Way
    after_bytes: int
    learns: Learns


@dataclass(slots=True)
class _Link:
    """One connection: the proxy's sockets to both ends."""

    client: SocketStream
    gateway: SocketStream
    is_cut: bool = False

    async def close(self, learns: Learns) -> None:
        if learns in (Learns.BOTH, Learns.CLIENT):
            await self.client.aclose()
        if learns in (Learns.BOTH, Learns.GATEWAY):
            await self.gateway.aclose()


class FaultProxy:
    """Relays bytes until a requested cut.

    Args:
        port: of the gateway, on loopback.
    """

    def __init__(self, port: int) -> None:
        self.done_s: list[tuple[float, Learns]] = []
        """The cuts made: time on the monotonic clock, and which end detected it."""
        self._port = port
        self._cuts: deque[Cut] = deque()
        self._left_bytes = 0

    def cut(self, cut: Cut) -> None:
        """Queue a cut of the current connection, or of the next one, after earlier cuts."""
        self._cuts.append(cut)
        if len(self._cuts) == 1:
            self._left_bytes = cut.after_bytes

    async def serve(self, client: SocketStream) -> None:
        """Serve one connection; close it if the gateway is down."""
        async with client:
            try:
                gateway = await anyio.connect_tcp(_HOST, self._port)
            except OSError:
                return
            async with gateway, anyio.create_task_group() as tasks:
                link = _Link(client, gateway)
                tasks.start_soon(self._relay, link, Way.TO_GATEWAY)
                tasks.start_soon(self._relay, link, Way.TO_CLIENT)

    async def _relay(self, link: _Link, way: Way) -> None:
        source, sink = (link.client, link.gateway) if way is Way.TO_GATEWAY else (link.gateway, link.client)
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for data in source:
                if link.is_cut:  # the end that has not detected the cut still sends
                    continue
                cut = self._due(way, len(data))
                await sink.send(data if cut is None else data[: cut.after_bytes])
                if cut is not None:
                    link.is_cut = True
                    self.done_s.append((time.monotonic(), cut.learns))
                    await link.close(cut.learns)
        if not link.is_cut:
            await link.close(Learns.BOTH)

    def _due(self, way: Way, count: int) -> Cut | None:
        """Return the cut due within the next bytes, with the number of bytes before it."""
        if not self._cuts or self._cuts[0].way is not way:
            return None
        if self._left_bytes > count:
            self._left_bytes -= count
            return None
        cut = Cut(way, self._left_bytes, self._cuts.popleft().learns)
        self._left_bytes = self._cuts[0].after_bytes if self._cuts else 0
        return cut


@asynccontextmanager
async def proxying(port: int) -> AsyncIterator[tuple[FaultProxy, int]]:
    """Run a proxy while the block lasts; yield it and its port.

    Args:
        port: of the gateway, on loopback, which need not be open yet.
    """
    proxy = FaultProxy(port)
    async with await anyio.create_tcp_listener(local_host=_HOST) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, proxy.serve)
        yield proxy, listener.extra(SocketAttribute.local_port)  # noqa: S610  # not Django's `extra`
        tasks.cancel_scope.cancel()
