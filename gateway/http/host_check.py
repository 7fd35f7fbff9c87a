"""Checks of the Host and Origin headers, against foreign pages that use a visitor's browser.

A foreign page reaches a gateway on loopback, or in the visitor's network, in two ways: it resolves its own name to the
gateway's address (DNS rebinding), and is then of the same origin; or it sends a request that a browser sends without
a preflight (a simple request, Fetch §2.2.2). The Host header reveals the former, Origin the latter.
"""

import socket
from collections.abc import Callable, Collection, Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway.access.origin import check_origin
from gateway.errors import ForbiddenHost, ForbiddenOrigin, GatewayError
from gateway.http.errors import error_response

__all__ = ["HostGuard", "check_host", "known_hosts"]

_MAX_NAME_CHARS = 100
"""Of a name, in an error message."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110 §9.2.1: they change nothing, and a foreign page cannot read what they return."""

_FRAME_HEADERS = {"content-security-policy": "frame-ancestors 'none'", "x-frame-options": "DENY"}
"""Against clickjacking, for responses without a policy of their own."""


def known_hosts(allowed: Iterable[str], host: str, urls: Iterable[str | None]) -> frozenset[str]:
    """Return the known names of a gateway, in lower case.

    Args:
        allowed: names of the settings, optionally with a port; `*`: all.
        host: that it binds.
        urls: its public URLs; None: not set.
    """
    own = socket.gethostname().lower()
    names = (_name_of(name) or name for name in allowed)
    public = (urlsplit(url).hostname for url in urls if url)
    return frozenset({*names, host.lower(), own, f"{own}.local", *(name for name in public if name)})


def check_host(host: str | None, known: Collection[str]) -> None:
    """Check the Host header of a request.

    Addresses are always accepted, and names without a dot, such as `localhost`: no page of the public network has such
    a name.

    Args:
        host: the Host header; None: missing, which no browser sends.
        known: names of the gateway, in lower case, or `*`.

    Raises:
        ForbiddenHost: it is not a known name of the gateway.
    """
    if host is None or "*" in known:
        return
    name = _name_of(host)
    if name is not None and (name in known or "." not in name or name.endswith(".localhost") or _is_address(name)):
        return
    name_start = host[:_MAX_NAME_CHARS]
    raise ForbiddenHost(f"Host {name_start!r} is not a name of this gateway: expected one of server.allowed_hosts")


class HostGuard:
    """Refuses requests with a foreign Host or from a foreign page, and forbids pages to frame the gateway's.

    Args:
        app: the application.
        known: names of the gateway.
        origins: other origins whose pages are allowed, or `*`.
        is_strict: returns whether to check the Host for a path. Where keys are required, a foreign page has none.
    """

    def __init__(
        self, app: ASGIApp, known: Collection[str], origins: Collection[str], is_strict: Callable[[str], bool]
    ) -> None:
        self._app = app
        self._known = known
        self._origins = origins
        self._is_strict = is_strict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except GatewayError as error:
            response = error_response(error)
            if scope["type"] == "websocket":
                await WebSocket(scope, receive, send).send_denial_response(response)
            else:
                await response(scope, receive, send)
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "content-security-policy" not in headers:
                    headers.update(_FRAME_HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_policy)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if self._is_strict(scope["path"]):
            check_host(headers.get("host"), self._known)
        if scope["type"] == "websocket" or scope["method"] in _SAFE_METHODS:
            return  # the WebSocket routes check the origin
        check_origin(headers.get("origin"), headers.get("host"), self._origins)
        if headers.get("origin") is None and headers.get("sec-fetch-site") == "cross-site":
            raise ForbiddenOrigin("cross-site requests are not allowed")


def _name_of(host: str) -> str | None:
    """Return the name in a Host header without its port, in lower case; None: malformed."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return None
    return name.rstrip(".") if name else None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
