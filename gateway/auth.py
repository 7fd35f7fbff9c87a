"""Who may connect: static API keys, compared in constant time."""

import hmac
from collections.abc import Iterable
from hashlib import sha256

from gateway.errors import Unauthorized

__all__ = ["KeyRing"]


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


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()
