"""Who calls from a telephone service: the signature that Twilio puts on a connection. PURE."""

import hmac
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1

__all__ = ["is_signed", "signed_urls"]

_DEFAULT_PORT = ":443"
"""Of wss, the one scheme that Twilio calls."""


def is_signed(url: str, signature: str, auth_token: str) -> bool:
    """Return whether Twilio has signed a URL; how long that takes says nothing of the right signature.

    Args:
        url: as Twilio was given it.
        signature: the header `X-Twilio-Signature`.
        auth_token: of the Twilio account.
    """
    # Twilio, "Validating requests": base64 of the HMAC-SHA1 of the URL; an upgrade has no form fields to add
    expected = b64encode(hmac.new(auth_token.encode(), url.encode(), sha1).digest())
    return hmac.compare_digest(expected, signature.encode())


def signed_urls(host: str, path: str, public_url: str | None) -> Iterator[str]:
    """Yield the URLs by which Twilio may know a route.

    Args:
        host: the header `Host`.
        path: of the route, with the query.
        public_url: `wss://HOST[/PREFIX]` where a proxy shows the gateway under another name; None: there is none.
    """
    if public_url is not None:
        yield public_url.rstrip("/") + path
        return
    # Twilio signs with the port or without; its own libraries try both
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    for authority in dict.fromkeys((host, name, name + _DEFAULT_PORT)):
        yield f"wss://{authority}{path}"
