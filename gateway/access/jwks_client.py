"""Fetches a JWK set over HTTP."""

import ssl
from urllib.parse import urlsplit

import anyio
import httpx2

from gateway.access.jwks import JwksUnavailable
from gateway.access.origin import is_loopback

__all__ = ["fetch_jwks"]

_TIMEOUT_S = 5.0
"""For all of it: a request for a token with a new key waits for this."""

_MAX_BYTES = 1 << 20
"""A set has a few keys of less than 2 kB each, or ten times that with certificates."""

_OK = 200


async def fetch_jwks(url: str) -> bytes:
    """Return the document at a URL.

    Redirects are not followed: they could lead from https to http, or to another host.

    Args:
        url: https, or http to this machine.

    Raises:
        JwksUnavailable: it cannot be fetched.
    """
    trust_env = not is_loopback(urlsplit(url).hostname or "")  # proxies set in the environment are not for loopback
    try:
        with anyio.fail_after(_TIMEOUT_S):
            async with (
                httpx2.AsyncClient(trust_env=trust_env, timeout=_TIMEOUT_S, follow_redirects=False) as client,
                client.stream("GET", url, headers={"accept": "application/jwk-set+json, application/json"}) as response,
            ):
                if response.status_code != _OK:
                    raise JwksUnavailable(f"status {response.status_code}, expected {_OK}")
                return await _body_of(response)
    except (httpx2.HTTPError, ssl.SSLError, OSError) as error:
        raise JwksUnavailable(str(error) or type(error).__name__) from error


async def _body_of(response: httpx2.Response) -> bytes:
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _MAX_BYTES:
            raise JwksUnavailable(f"more than {_MAX_BYTES} bytes, which is the limit")
    return body
