"""Which pages may open WebSockets: the Origin header of a request. PURE."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from gateway.errors import ForbiddenOrigin

__all__ = ["check_origin", "is_loopback"]

_MAX_ORIGIN_CHARS = 100
"""Of an origin, in the message of its refusal."""


def is_loopback(host: str) -> bool:
    """Return whether an address or host name reaches only this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_origin(origin: str | None, host: str | None, allowed: Collection[str]) -> None:
    """Check the page that opens a WebSocket; CORS does not apply to WebSockets, so any page could try.

    Args:
        origin: the Origin header, which every browser sends; None: missing, which no page can achieve.
        host: the Host header: the gateway as the client knows it, whose own pages are allowed.
        allowed: other origins, `https://HOST[:PORT]`, or `*` for all.

    Raises:
        ForbiddenOrigin: the page is of another origin.
    """
    if origin is None or "*" in allowed or origin in allowed or urlsplit(origin).netloc == host:
        return
    raise ForbiddenOrigin(
        f"origin {origin[:_MAX_ORIGIN_CHARS]} is not allowed to connect: expected one of server.allowed_origins"
    )
