"""Under which names the gateway answers, and to which pages: what a browser may be tricked into is refused here.

A page of somebody else reaches a gateway on loopback, or in the visitor's network, in two ways: it gives its own name
the gateway's address (DNS rebinding), and is then of the same origin; or it sends what a browser sends without asking
(a simple request, Fetch §2.2.2). The Host header tells of the former, Origin of the latter.
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

_MAX_SHOWN_CHARS = 100
"""Of a name, in the refusal of it."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110 §9.2.1: they change nothing, and a foreign page cannot read what they return."""

_FRAME_HEADERS = {"content-security-policy": "frame-ancestors 'none'", "x-frame-options": "DENY"}
"""For what has no policy of its own: no page may have its visitor click in one of ours without knowing."""


def known_hosts(allowed: Iterable[str], host: str, urls: Iterable[str | None]) -> frozenset[str]:
    """Return the names that a gateway is known to have, in lower case.

    Args:
        allowed: names of the settings, perhaps with a port; `*` stands for all.
        host: that it binds.
        urls: under which it is known elsewhere; None: it is not.
    """
    own = socket.gethostname().lower()
    names = (_name_of(name) or name for name in allowed)
    public = (urlsplit(url).hostname for url in urls if url)
    return frozenset({*names, host.lower(), own, f"{own}.local", *(name for name in public if name)})


def check_host(host: str | None, known: Collection[str]) -> None:
    """Accept a request by the name under which it came.

    Addresses are always accepted, and names without a dot, `localhost` among them: a page of the public network has
    neither, so whoever uses one is no stranger.

    Args:
        host: the Host header; None where it is missing, which no browser brings about.
        known: names of the gateway, in lower case, or `*`.

    Raises:
        ForbiddenHost: it may be the name of somebody else.
    """
    if host is None or "*" in known:
        return
    name = _name_of(host)
    if name is not None and (name in known or "." not in name or name.endswith(".localhost") or _is_address(name)):
        return
    shown = host[:_MAX_SHOWN_CHARS]
    raise ForbiddenHost(f"Host {shown!r}: not a name of this gateway: server.allowed_hosts lists those it answers to")


class HostGuard:
    """Refuses what comes under a foreign name or from a foreign page, and lets no page put ours into a frame.

    Args:
        app: what answers.
        known: names of the gateway.
        origins: other origins whose pages are welcome, or `*`.
        is_strict: whether the name of a request for a path is looked at. Where there are keys, a foreign page has none.
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

        async def framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "content-security-policy" not in headers:
                    headers.update(_FRAME_HEADERS)
            await send(message)

        await self._app(scope, receive, framed)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if self._is_strict(scope["path"]):
            check_host(headers.get("host"), self._known)
        if scope["type"] == "websocket" or scope["method"] in _SAFE_METHODS:
            return  # the routes of WebSockets look at the origin themselves
        check_origin(headers.get("origin"), headers.get("host"), self._origins)
        if headers.get("origin") is None and headers.get("sec-fetch-site") == "cross-site":
            raise ForbiddenOrigin("a page of somebody else may not send that")


def _name_of(host: str) -> str | None:
    """Return the name in a Host header without its port, in lower case; None where it is none."""
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
