"""The web pages: captioner, viewer and overlay, their assets, and a QR code of a viewer's address.

The gateway reads their files when it starts and serves them unchanged.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Annotated
from urllib.parse import quote, urlencode

import segno
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import JSONResponse, Response

from gateway.errors import NotFound
from gateway.http.public_addresses import is_for_this_machine, lan_address, share_base
from gateway.runtime import Gateway
from gateway.wire.event_name import is_event_name

__all__ = ["pages_router"]

_FOLDER = files("clients") / "web"

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",  # against clickjacking, which could switch the microphone on
}

_OVERLAY_POLICY = _POLICY | {"style-src": "'self' 'unsafe-inline'"}
"""OBS puts the "custom CSS" of a browser source into the page."""

_HEADERS = {
    "Referrer-Policy": "no-referrer",  # the addresses hold view tokens
    "X-Content-Type-Options": "nosniff",
}

_MAX_FILE_NAME_CHARS = 100
"""Of a file's name, in an error message."""

_MAX_NAME_CHARS = 200
"""Of a session's id, a caption event and a view token. Ours have less than 65; phones can still read such a QR code."""

_Name = Annotated[str, Path(max_length=_MAX_NAME_CHARS)]
_Token = Annotated[str | None, Query(max_length=_MAX_NAME_CHARS, description="View token to put into the address.")]
_Overlay = Annotated[bool, Query(description="Whether it is displayed over a video.")]


@dataclass(frozen=True, slots=True)
class _File:
    """One file of the pages.

    Attributes:
        media_type: of its suffix.
        etag: changes with its bytes.
    """

    body: bytes
    media_type: str
    etag: str


def pages_router(gateway: Gateway) -> APIRouter:
    """Return the routes of the pages. They need no key: the pages themselves request all they display by the API."""
    router = APIRouter(include_in_schema=False)
    web = _read_files()

    @router.api_route("/", methods=["GET", "HEAD"])
    async def captioner(request: Request) -> Response:
        return _answer(request, web, "captioner.html", _POLICY)

    _add_viewer(router, gateway, web, "watch", lambda session_id: True)
    _add_viewer(router, gateway, web, "e", is_event_name)

    @router.api_route("/assets/{name}", methods=["GET", "HEAD"])
    async def asset(request: Request, name: str) -> Response:
        return _answer(request, web, name, _POLICY)

    @router.api_route("/service-worker.js", methods=["GET", "HEAD"])  # it applies to the pages below its folder
    async def service_worker(request: Request) -> Response:
        return _answer(request, web, "service-worker.js", _POLICY)

    return router


def _add_viewer(
    router: APIRouter, gateway: Gateway, web: Mapping[str, "_File"], folder: str, is_name: Callable[[str], bool]
) -> None:
    """Add the pages that display one session, `/watch/SESSION`, or those of a caption event, `/e/EVENT`."""

    @router.api_route(f"/{folder}/{{name}}", methods=["GET", "HEAD"])
    async def viewer(request: Request, name: _Name, overlay: _Overlay = False) -> Response:
        check(name)
        if overlay:
            return _answer(request, web, "overlay.html", _OVERLAY_POLICY)
        return _answer(request, web, "viewer.html", _POLICY)

    @router.get(f"/{folder}/{{name}}/link.json")
    async def share_link(request: Request, name: _Name, token: _Token = None) -> Response:
        url = url_of(request, name, token)
        body = {"url": url, "reach": "this_machine" if is_for_this_machine(url) else "network"}
        return JSONResponse(body, headers={**_headers(_POLICY), "Cache-Control": "no-store"})

    @router.get(f"/{folder}/{{name}}/qr.svg")
    async def qr_code(request: Request, name: _Name, token: _Token = None) -> Response:
        url = url_of(request, name, token)
        if is_for_this_machine(url):
            raise NotFound(
                "no QR code: the gateway is reachable from this machine only; set server.public_url to another address"
            )
        headers = {**_headers(_POLICY), "Cache-Control": "no-store"}
        return Response(_qr_svg(url), media_type=_TYPES["svg"], headers=headers)

    def url_of(request: Request, name: str, token: str | None) -> str:
        check(name)
        base = share_base(str(request.base_url), gateway.settings.server, lan_address())
        query = "" if token is None else "?" + urlencode({"token": token})
        return f"{base}/{folder}/{quote(name, safe='')}{query}"

    def check(name: str) -> None:
        if not is_name(name):
            raise NotFound("not the name of a caption event: expected 3 to 64 lower-case letters, digits and hyphens")


def _read_files() -> dict[str, _File]:
    """Return the files of the pages by their names."""
    found: dict[str, _File] = {}
    for path in _FOLDER.iterdir():
        media_type = _TYPES.get(path.name.rpartition(".")[2])
        if media_type is not None:
            body = path.read_bytes()
            found[path.name] = _File(body, media_type, f'"{sha256(body).hexdigest()[:32]}"')
    return found


def _headers(policy: Mapping[str, str]) -> dict[str, str]:
    directives = "; ".join(f"{directive} {sources}" for directive, sources in policy.items())
    return {**_HEADERS, "Content-Security-Policy": directives}


def _answer(request: Request, web: Mapping[str, _File], name: str, policy: Mapping[str, str]) -> Response:
    file = web.get(name)
    if file is None:
        raise NotFound(f"no file {name[:_MAX_FILE_NAME_CHARS]!r}", "name")
    headers = {**_headers(policy), "Cache-Control": "no-cache", "ETag": file.etag}  # cached, but revalidated each time
    if _is_cached(request.headers.get("if-none-match", ""), file.etag):
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)


def _is_cached(if_none_match: str, etag: str) -> bool:
    """Return whether the browser's cache has the current file, RFC 9110 §13.1.2."""
    return any(known.strip().removeprefix("W/") in (etag, "*") for known in if_none_match.split(","))


def _qr_svg(address: str) -> bytes:
    target = io.BytesIO()
    # black on white in all modes: many readers cannot read the inverse
    segno.make_qr(address, error="m").save(target, kind="svg", xmldecl=False, dark="#000", light="#fff", border=4)
    return target.getvalue()
