"""Runs the server: engine, application and uvicorn, until a signal stops it."""

import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import anyio
import uvicorn
from anyio.abc import TaskStatus

from decoder.engine_selection import create_engine
from gateway.access.audit_record import AuditEvent
from gateway.access.authenticator_opening import open_authenticator
from gateway.access.caller import Caller
from gateway.errors import ConfigurationError
from gateway.http.app import create_app
from gateway.http.public_addresses import lan_address, listening_urls
from gateway.http.server import ServerConfig
from gateway.http.tls import Certificate, open_certificate
from gateway.runtime import Gateway, open_gateway
from gateway.settings import ServerSettings, Settings
from gateway.shutdown import drain
from gateway.wyoming_server import bind_wyoming, serve_wyoming, wyoming_url

__all__ = ["serve"]

logger = logging.getLogger("livecue.server")

_BACKLOG = 2048
"""Connections waiting to be accepted; uvicorn's default."""

_SHUTDOWN_S = 5
"""Time for connections of viewers and other requests to close after the drain."""

_HAS_SIGNALS = sys.platform != "win32"
"""Windows has no SIGHUP, and asyncio supports no signals there: uvicorn stops at Ctrl-C, without draining."""

_UNREAD_MS = 60_000
"""RFC 5482. Without it, a live peer that reads nothing would keep its closed connection, and megabytes of memory, for
ever; writes time out long before."""


async def serve(
    settings: Settings, on_listening: Callable[[str], None], read_settings: Callable[[], Settings] | None = None
) -> None:
    """Serve until SIGINT or SIGTERM; then drain, until a second one. SIGHUP reloads certificate and keys.

    Args:
        settings: all of them.
        on_listening: called once connections are accepted, with each base URL, the one for this machine first; then
            with Wyoming's, if it is on.
        read_settings: reads the settings again; None: they never change.

    Raises:
        ConfigurationError: the address is taken, or requires keys, or the certificate is invalid.
        ModelError: the engine's model cannot be loaded.
        StateUnavailable: there is a state database, and it cannot be read and written.
    """
    async with open_authenticator(settings):
        pass  # missing keys and a broken database are reported before a model is loaded
    certificate = open_certificate(settings.server)
    listener = _bind(settings.server)
    with listener, bind_wyoming(settings.server) or nullcontext() as wyoming:
        engine = create_engine(settings.engine)
        async with open_gateway(settings, engine) as gateway, serve_wyoming(gateway, wyoming):
            config = ServerConfig(create_app(gateway), settings, _SHUTDOWN_S, certificate)
            host, port = listener.getsockname()[:2]
            server = _Server(config)
            async with anyio.create_task_group() as tasks:
                if _HAS_SIGNALS:
                    await tasks.start(
                        _handle_signals, server, gateway, partial(_reload, gateway, read_settings, certificate)
                    )
                for url in listening_urls(settings.server, host, port, lan_address()):
                    on_listening(url)
                if wyoming is not None:
                    on_listening(wyoming_url(wyoming))
                await server.serve(sockets=[listener])
                tasks.cancel_scope.cancel()


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to `_handle_signals`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing where `_handle_signals` receives them."""
        with nullcontext() if _HAS_SIGNALS else super().capture_signals():
            yield


async def _handle_signals(
    server: uvicorn.Server, gateway: Gateway, reload: Callable[[], None], *, task_status: TaskStatus[None]
) -> None:
    """Handle signals: the first to stop drains, or waits for the end of a drain that has begun; the second stops."""
    is_stopping = False

    async def stop() -> None:
        await drain(gateway)
        server.should_exit = True

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        task_status.started()
        async with anyio.create_task_group() as tasks:
            async for number in signals:
                if number is signal.SIGHUP:
                    reload()
                elif is_stopping:
                    logger.warning("stopping at once")
                    server.should_exit = server.force_exit = True
                    tasks.cancel_scope.cancel()
                else:
                    is_stopping = True
                    counts = gateway.admission.open, gateway.file_admission.open
                    logger.warning("draining sessions=%d files=%d; a second signal stops at once", *counts)
                    tasks.start_soon(stop)


def _reload(gateway: Gateway, read_settings: Callable[[], Settings] | None, certificate: Certificate | None) -> None:
    if certificate is not None:
        certificate.try_reload()
    if read_settings is None:
        return
    try:
        keys = read_settings().server.api_keys
    except ConfigurationError as error:
        logger.error("keys not reloaded, the old ones stay: %s", error)
        return
    gateway.authenticator.replace_static(key.get_secret_value() for key in keys)
    gateway.audit.record(AuditEvent.KEYS_RELOADED, Caller(None), actor="signal", keys=str(len(keys)))
    logger.warning("keys of the settings reloaded keys=%d", len(keys))


def _bind(server: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    try:
        listener = socket.create_server((server.host, server.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        where = f"server.host = {server.host!r}, server.port = {server.port}"
        raise ConfigurationError(f"{where}: {error.strerror or error}") from error
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MS)
    return listener
