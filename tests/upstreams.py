"""Upstreams for tests: their settings, and an engine with one of its own."""

from collections.abc import Callable

from decoder.engines.upstream.client import HttpUpstream
from decoder.engines.upstream.engine import UpstreamEngine
from decoder.settings import PoolSettings, UpstreamSettings
from tools.fault_server import FaultServer

__all__ = ["ServedEngine", "upstream_settings"]


def upstream_settings(server: FaultServer, **fields: object) -> UpstreamSettings:
    """Return the settings of an upstream on loopback, with the response format `json`."""
    build: Callable[..., UpstreamSettings] = UpstreamSettings
    return build(**{"base_url": server.base_url, "model": "whisper-1", "formats": ("json",), **fields})


class ServedEngine(UpstreamEngine):
    """An engine with its own upstream, started and stopped with it."""

    def __init__(self, settings: PoolSettings, **fields: object) -> None:
        self.server = FaultServer()
        super().__init__([HttpUpstream(upstream_settings(self.server, **fields))], settings)

    async def warm_up(self) -> None:
        """Start the upstream."""
        await self.server.start()
        await super().warm_up()

    async def aclose(self) -> None:
        """Stop the upstream."""
        await super().aclose()
        await self.server.stop()
