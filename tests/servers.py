"""A gateway on a free loopback port, inside the test's own event loop."""

import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from socket import create_server

import anyio
import uvicorn
from anyio import to_thread

from decoder.engine import Engine
from decoder.packaged_models import EMBEDDED as EMBEDDED_MODEL
from gateway.http.app import create_app
from gateway.http.server import ServerConfig
from gateway.http.tls import Certificate, open_certificate
from gateway.runtime import Gateway, open_gateway
from gateway.settings import Settings, load_settings
from gateway.wyoming_server import bind_wyoming, serve_wyoming, wyoming_url

__all__ = ["EMBEDDED", "Reply", "Served", "get", "listening", "serving"]

EMBEDDED: Mapping[str, Mapping[str, object]] = {
    "engine": {"name": "whisper", "model": EMBEDDED_MODEL},
    "scheduler": {"decode_timeout_s": 150.0},
}
"""Settings of a gateway on the embedded engine: machines busy with other tests may be slow."""


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway that serves.

    Attributes:
        url: its base URL, `http://127.0.0.1:PORT`.
        wyoming_url: `tcp://127.0.0.1:PORT`, where the settings have such an address.
    """

    url: str
    gateway: Gateway
    wyoming_url: str = ""
    server: uvicorn.Server | None = None
    certificate: Certificate | None = None

    def buffered_bytes(self) -> list[int]:
        """Return the unsent bytes of each connection."""
        assert self.server is not None
        return [each.transport.get_write_buffer_size() for each in self.server.server_state.connections]

    @property
    def stream_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/v1/stream"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, object]:
        parsed = json.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed


@asynccontextmanager
async def serving(engine: Engine, settings: Settings | None = None) -> AsyncIterator[Served]:
    settings = settings or load_settings()
    with bind_wyoming(settings.server) or nullcontext() as wyoming:
        async with open_gateway(settings, engine) as gateway, serve_wyoming(gateway, wyoming):
            certificate = open_certificate(settings.server)
            async with listening(
                ServerConfig(create_app(gateway), settings, shutdown_s=1, certificate=certificate)
            ) as (server, port):
                scheme = "http" if certificate is None else "https"
                url = f"{scheme}://127.0.0.1:{port}"
                yield Served(url, gateway, wyoming_url(wyoming) if wyoming else "", server, certificate)


class _Server(uvicorn.Server):
    """Stops at once; uvicorn's own looks ten times a second whether it has to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = anyio.Event()

    async def main_loop(self) -> None:
        """Wait until the server has to stop."""
        await self.stopping.wait()


@asynccontextmanager
async def listening(config: uvicorn.Config) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """Serve on a free loopback port while the block lasts, and yield the server and the port.

    It stops by itself even where the block fails: one that is cancelled leaves its socket registered with the event
    loop, which then accepts no connections for the next socket of the same number.
    """
    server = _Server(config)

    async def serve() -> None:
        with anyio.CancelScope(shield=True):
            await server.serve([listener])

    with create_server(("127.0.0.1", 0)) as listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            try:
                yield server, listener.getsockname()[1]
            finally:
                server.stopping.set()


async def get(url: str) -> Reply:
    def fetch() -> Reply:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310  # loopback
                return Reply(response.status, response.read(), dict(response.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.read(), dict(error.headers))

    return await to_thread.run_sync(fetch)
