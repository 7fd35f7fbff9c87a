"""The route of HLS subtitles: the playlist and the segments that the sink `hls` writes."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from anyio import to_thread
from fastapi import APIRouter, Request, Security
from fastapi import Path as PathParameter
from starlette.responses import Response

from gateway.errors import NotFound
from gateway.http.openapi import ERRORS, OPEN
from gateway.http.security import API_KEY
from gateway.http.sessions.directory import SessionDirectory
from gateway.http.sessions.events import ViewToken
from gateway.runtime import Gateway
from gateway.sinks.hls import PLAYLIST, folder_of

__all__ = ["hls_router"]

_TYPES = {".m3u8": "application/vnd.apple.mpegurl", ".vtt": "text/vtt; charset=utf-8"}

_Name = Annotated[str, PathParameter(pattern=r"^(captions\.m3u8|captions-\d{1,9}\.vtt)$")]


def hls_router(gateway: Gateway) -> APIRouter:
    """Return the routes of a running gateway."""
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"], dependencies=[Security(API_KEY)])
    directory = SessionDirectory(gateway)
    origins = gateway.settings.server.origins

    @router.get("/{session_id}/hls/{name}", response_class=Response, responses=ERRORS, openapi_extra=OPEN)
    async def hls_file(session_id: str, name: _Name, request: Request, token: ViewToken = None) -> Response:
        """Return the playlist `captions.m3u8` of a session, or a segment of it, if a sink `hls` writes them."""
        record = await directory.find(request, session_id)
        target = None if gateway.sessions.sinks is None else gateway.sessions.sinks.configured("hls")
        path = None if target is None else folder_of(target, record.session_id) / name
        body = None if path is None else await to_thread.run_sync(_read, path)
        if body is None:
            raise NotFound(f"no file {name!r}: a sink hls writes it some seconds after the session has begun", "name")
        if name == PLAYLIST and token is not None:  # players request segments by what the playlist has
            query = urlencode({"token": token}).encode()
            body = re.sub(rb"(?m)^(captions-\d+\.vtt)$", rb"\1?" + query.replace(b"\\", b""), body)
        headers = {"cache-control": "no-cache" if name == PLAYLIST else "max-age=3600", "vary": "origin"}
        origin = request.headers.get("origin")
        if origin is not None and (origin in origins or "*" in origins):
            headers["access-control-allow-origin"] = origin
        return Response(body, media_type=_TYPES[Path(name).suffix], headers=headers)

    return router


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
