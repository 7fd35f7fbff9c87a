"""Opens the verification of tokens, if the settings have it. The libraries for it are an extra."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import anyio

from gateway.access_settings import OidcSettings
from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from gateway.access.token_verifier import TokenVerifier

__all__ = ["open_token_verifier"]

_LIBRARIES = ("jwt", "cryptography")


@asynccontextmanager
async def open_token_verifier(settings: OidcSettings) -> AsyncIterator["TokenVerifier | None"]:
    """Keep the keys of the issuer up to date while the block lasts; yield None where tokens are not accepted.

    A provider that cannot be reached does not delay the start: tokens are refused with 503 until it can.

    Raises:
        ConfigurationError: the extra `oidc` is not installed.
    """
    url = settings.jwks_url
    if url is None:
        yield None
        return
    if any(find_spec(library) is None for library in _LIBRARIES):
        raise ConfigurationError("oidc.jwks_url needs libraries that are not installed: pip install 'livecue[oidc]'")
    from gateway.access.jwks import JwksCache, JwksTiming
    from gateway.access.jwks_client import fetch_jwks
    from gateway.access.token_verifier import JwkSet, TokenVerifier, parse_jwks

    async def fetch() -> JwkSet:
        return parse_jwks(await fetch_jwks(url), settings.algorithms)

    jwks = JwksCache(fetch, JwksTiming(settings.refresh_s, settings.max_stale_s), time.monotonic)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(jwks.run)
        yield TokenVerifier(settings, jwks, time.time)
        tasks.cancel_scope.cancel()
