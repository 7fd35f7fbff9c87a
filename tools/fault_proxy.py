"""A TCP proxy of loopback that cuts connections: at any byte, either way, and with either end left in the dark."""

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
    """Where bytes go."""

    TO_GATEWAY = 0
    TO_CLIENT = 1


class Learns(StrEnum):
    """Which end sees that the connection is over; to the other one it is as if nobody spoke any more."""

    BOTH = "both"
    CLIENT = "the client"
    GATEWAY = "the gateway"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Cut:
    """How a connection is cut.

    Attributes:
        way: of the bytes that are counted.
        after_bytes: so many still pass.
        learns: who sees it.
    """

    way: Way
    after_bytes: int
    learns: Learns


@dataclass(slots=True)
class _Link:
    """One connection: its two ends, as the proxy sees them."""

    client: SocketStream
    gateway: SocketStream
    is_cut: bool = False

    async def close(self, learns: Learns) -> None:
        if learns in (Learns.BOTH, Learns.CLIENT):
            await self.client.aclose()
        if learns in (Learns.BOTH, Learns.GATEWAY):
            await self.gateway.aclose()


class FaultProxy:
    """Passes bytes on, until it is told to cut.

    Args:
        port: of the gateway, on loopback.
    """

    def __init__(self, port: int) -> None:
        self.done_s: list[tuple[float, Learns]] = []
        """When there was a cut, on the monotonic clock, and who saw it."""
        self._port = port
        self._cuts: deque[Cut] = deque()
        self._left_bytes = 0

    def cut(self, cut: Cut) -> None:
        """Cut the connection there is, or the next one, once those that were asked for before have been made."""
        self._cuts.append(cut)
        if len(self._cuts) == 1:
            self._left_bytes = cut.after_bytes

    async def serve(self, client: SocketStream) -> None:
        """Serve one connection; where the gateway is not there, close it."""
        async with client:
            try:
                gateway = await anyio.connect_tcp(_HOST, self._port)
            except OSError:
                return
            async with gateway, anyio.create_task_group() as tasks:
                link = _Link(client, gateway)
                tasks.start_soon(self._pass_on, link, Way.TO_GATEWAY)
                tasks.start_soon(self._pass_on, link, Way.TO_CLIENT)

    async def _pass_on(self, link: _Link, way: Way) -> None:
        source, sink = (link.client, link.gateway) if way is Way.TO_GATEWAY else (link.gateway, link.client)
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for data in source:
                if link.is_cut:  # an end that does not know speaks to nobody
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
        """Return the cut to be made within the next bytes, with those that pass before it."""
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
    """Run a proxy while the block lasts; yield it and the port where it listens.

    Args:
        port: of the gateway, on loopback; nobody needs to listen there yet.
    """
    proxy = FaultProxy(port)
    async with await anyio.create_tcp_listener(local_host=_HOST) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, proxy.serve)
        yield proxy, listener.extra(SocketAttribute.local_port)  # noqa: S610  # not the one of Django
        tasks.cancel_scope.cancel()
