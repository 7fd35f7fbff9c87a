"""Opens the authenticator of a gateway, unless that would admit every caller where it must not."""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
from anyio import to_thread

from gateway.access.api_key_marker import key_marker, write_key_markers
from gateway.access.api_key_store import KEYS_SCHEMA
from gateway.access.audit_log import AuditLog
from gateway.access.authenticator import Authenticator
from gateway.access.credential_check import AccessServices
from gateway.access.oidc import open_token_verifier
from gateway.access.origin import is_loopback
from gateway.errors import ConfigurationError
from gateway.settings import ServerSettings, Settings
from gateway.sqlite import StateDatabase, StateUnavailable, state_path

__all__ = ["open_authenticator"]

logger = logging.getLogger("livecue.auth")


@asynccontextmanager
async def open_authenticator(settings: Settings, audit: AuditLog | None = None) -> AsyncIterator[Authenticator]:
    """Read the keys, and sync them with the database while the block lasts and once at its end.

    Args:
        settings: all of them.
        audit: records refusals.

    Raises:
        ConfigurationError: there is no key, and the address requires one, or there were keys before.
        StateUnavailable: there is a state database, and it cannot be read and written.
    """
    path = state_path(settings.state)
    static_keys = (key.get_secret_value() for key in settings.server.api_keys)
    with closing(StateDatabase(path, (KEYS_SCHEMA,))) as database:
        async with open_token_verifier(settings.oidc) as tokens:
            services = AccessServices(tokens, audit or AuditLog(None))
            authenticator = Authenticator(static_keys, database, time.monotonic, services)
            await authenticator.sync()
            await _check_keys(authenticator, settings.server, path)
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(authenticator.run, settings.state.write_interval_s)
                    yield authenticator
                    tasks.cancel_scope.cancel()
            finally:
                with anyio.CancelScope(shield=True):
                    authenticator.report_failures()
                    await _sync_last(authenticator)


async def _check_keys(authenticator: Authenticator, server: ServerSettings, database: Path) -> None:
    if authenticator.has_stored_keys:
        await to_thread.run_sync(write_key_markers, database)
    if authenticator.is_open:
        _check_open_access(server, database)
    elif authenticator.admits_nobody:
        logger.warning(
            "the gateway refuses all callers: all keys are revoked; make one with 'livecue keys create NAME', "
            "or set server.api_keys"
        )


async def _sync_last(authenticator: Authenticator) -> None:
    try:
        await authenticator.sync()
    except StateUnavailable as error:
        logger.error("usage of keys since the last write is lost: %s", error)


def _check_open_access(server: ServerSettings, database: Path) -> None:
    """Refuse to start without keys where that would be unsafe.

    Raises:
        ConfigurationError: it would be.
    """
    if server.insecure:
        return
    if (marker := key_marker(database)) is not None:
        raise ConfigurationError(
            f"there were API keys (marker file {marker}), but state.database = '{database}' has none: it is missing, "
            "empty or another one; restore it, make a key with 'livecue keys create NAME', set server.api_keys, or "
            "use --insecure to admit every caller"
        )
    if is_loopback(server.host):
        return
    raise ConfigurationError(
        f"server.host = {server.host!r} without an API key: anyone there could use this gateway; make a key with "
        "'livecue keys create', set server.api_keys, or use --insecure"
    )
