"""Who may connect: static API keys, compared in constant time, and pages of allowed origins."""

import hmac
from collections.abc import Collection, Iterable
from hashlib import sha256
from urllib.parse import urlsplit

from gateway.errors import ForbiddenOrigin, Unauthorized

__all__ = ["KeyRing", "check_origin"]


_MAX_SHOWN_CHARS = 100
"""Of an origin, in the refusal of it."""


class KeyRing:
    """The API keys a gateway knows. Without any, everybody may connect (and the gateway binds loopback only).

    Args:
        keys: the keys in clear; only their digests are kept.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    def check(self, authorization: str | None) -> None:
        """Accept a request by its Authorization header.

        Args:
            authorization: the header's value, or None where it is missing.

        Raises:
            Unauthorized: keys are configured and this is none of them.
        """
        if not self._digests:
            return
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("no API key: send the header 'Authorization: Bearer KEY'")
        digest = _digest(key.strip())
        # every key is compared, so that the time taken does not tell which one was near
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        if True not in matches:
            raise Unauthorized("this API key is not known here")


def check_origin(origin: str | None, host: str | None, allowed: Collection[str]) -> None:
    """Accept a WebSocket by the page that opens it; CORS does not protect WebSockets, so any page could try.

    Args:
        origin: the Origin header, which every browser sends; None where it is missing, which no page can bring about.
        host: the Host header: the gateway as the client knows it, whose own pages are welcome.
        allowed: other origins, `https://HOST[:PORT]`, or `*` for all.

    Raises:
        ForbiddenOrigin: it is a page of somebody else.
    """
    if origin is None or "*" in allowed or origin in allowed or urlsplit(origin).netloc == host:
        return
    raise ForbiddenOrigin(f"pages of {origin[:_MAX_SHOWN_CHARS]} may not connect: server.allowed_origins lists who may")


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()
