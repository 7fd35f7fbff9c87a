"""The signature with which Twilio authenticates a connection. PURE."""

import hmac
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1

__all__ = ["is_signed", "signed_urls"]

_DEFAULT_PORT = ":443"
"""Of wss, the only scheme that Twilio connects by."""


def is_signed(url: str, signature: str, auth_token: str) -> bool:
    """Return whether Twilio has signed a URL, in constant time.

    Args:
        url: as it is configured at Twilio.
        signature: the header `X-Twilio-Signature`.
        auth_token: of the Twilio account.
    """
    # Twilio, "Validating requests": base64 of the HMAC-SHA1 of the URL; an upgrade has no form fields to add
    expected = b64encode(hmac.new(auth_token.encode(), url.encode(), sha1).digest())
    return hmac.compare_digest(expected, signature.encode())


def signed_urls(host: str, path: str, public_url: str | None) -> Iterator[str]:
    """Yield the URLs under which a route may be configured at Twilio.

    Args:
        host: the header `Host`.
        path: of the route, with the query.
        public_url: `wss://HOST[/PREFIX]` where a proxy gives the gateway another name; None: no proxy.
    """
    if public_url is not None:
        yield public_url.rstrip("/") + path
        return
    # Twilio signs with the port or without; its own libraries try both
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    for authority in dict.fromkeys((host, name, name + _DEFAULT_PORT)):
        yield f"wss://{authority}{path}"
