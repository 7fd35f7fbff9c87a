"""Runs the server: engine, application and uvicorn, until a signal says stop."""

import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import nullcontext

import uvicorn

from decoder.choice import create_engine
from gateway.addresses import lan_address, listening_urls
from gateway.auth import open_doorkeeper
from gateway.errors import ConfigurationError
from gateway.server import create_app
from gateway.service import open_gateway
from gateway.settings import ServerSettings, Settings
from gateway.tls import open_certificate, reloaded_on_hangup
from gateway.wyoming_server import bind_wyoming, serve_wyoming, wyoming_url

__all__ = ["serve"]

logger = logging.getLogger("livecue.server")

_BACKLOG = 2048
"""Connections waiting to be accepted; uvicorn's own figure."""

_SHUTDOWN_S = 10
"""After a signal, connections get so long to come to an end."""

_UNREAD_MS = 60_000
"""RFC 5482. A peer that is alive and reads nothing would keep its closed connection, and megabytes for it, for ever; by
then whoever writes to it has long given up."""


async def serve(settings: Settings, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: all of them.
        on_listening: called once connections are accepted, with each base URL, the one for this machine first; then
            with Wyoming's, where there is one.

    Raises:
        ConfigurationError: the address is taken, or may not be served without keys, or the certificate is none.
        ModelError: the engine's model cannot be loaded.
        StateUnavailable: there is a state database, and it cannot be read and written.
    """
    async with open_doorkeeper(settings):
        pass  # an open door and a broken database are refused before a model is loaded
    certificate = open_certificate(settings.server)
    listener = _bind(settings.server)
    with listener, bind_wyoming(settings.server) or nullcontext() as wyoming:
        engine = create_engine(settings.engine)
        async with open_gateway(settings, engine) as gateway, serve_wyoming(gateway, wyoming):
            config = uvicorn.Config(
                create_app(gateway),
                ws="websockets-sansio",
                ws_max_size=settings.server.max_message_bytes,
                ws_per_message_deflate=False,  # sound does not compress; the contexts cost 64 KiB a connection
                log_config=None,
                log_level="warning",  # at debug it would write down headers, and with them keys
                access_log=False,  # sessions write their own two lines
                timeout_graceful_shutdown=_SHUTDOWN_S,
            )
            config.load()
            config.ssl = None if certificate is None else certificate.context
            host, port = listener.getsockname()[:2]
            for url in listening_urls(settings.server, host, port, lan_address()):
                on_listening(url)
            if wyoming is not None:
                on_listening(wyoming_url(wyoming))
            # uvicorn sends the signal that stopped it once more; the first was enough
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: None)
            async with reloaded_on_hangup(certificate):
                await uvicorn.Server(config).serve(sockets=[listener])


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
