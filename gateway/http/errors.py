"""One shape for every HTTP error, including the framework's, and a request id for every response."""

import logging
import re
from http import HTTPStatus
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import InvalidRequest, MethodNotAllowed, NotFound, error_body, error_headers, reply_to
from vad.errors import LivecueError

__all__ = ["RequestIds", "error_response", "shape_errors"]

logger = logging.getLogger("livecue.http")

_HEADER = "x-request-id"

_SAFE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
"""A request id that may be echoed and logged."""

_MAX_PATH_CHARS = 100
"""Of a path, in an error message."""


def error_response(error: LivecueError) -> JSONResponse:
    """Return the response of an error."""
    return JSONResponse(error_body(error), reply_to(error).http_status, error_headers(error))


def shape_errors(app: FastAPI) -> None:
    """Register handlers on an application that answer every error in this shape."""

    async def ours(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, LivecueError)
        return error_response(error)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        return error_response(InvalidRequest(f"{field}: {first['msg']}", field))

    async def from_framework(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        response = _shaped(request, error)
        response.headers.update(error.headers or {})
        return response

    async def unexpected(request: Request, _: Exception) -> JSONResponse:
        # the server logs the traceback; it answers outside `RequestIds`, so the id is set here
        response = error_response(LivecueError("internal error of the gateway"))
        response.headers[_HEADER] = _id_of(request.scope)
        return response

    app.add_exception_handler(LivecueError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, from_framework)
    app.add_exception_handler(Exception, unexpected)


class RequestIds:
    """Adds an `X-Request-ID` to each HTTP response: that of its request where it is safe, else a new one.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_with_id(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                MutableHeaders(scope=message)[_HEADER] = _id_of(scope)
            await send(message)

        await self._app(scope, receive, send_with_id)


def _id_of(scope: Scope) -> str:
    state = scope.setdefault("state", {})
    if _HEADER not in state:
        own = next((value for name, value in scope["headers"] if name == _HEADER.encode()), b"").decode("latin-1")
        state[_HEADER] = own if _SAFE_ID.fullmatch(own) else f"req_{uuid4().hex}"
    request_id: str = state[_HEADER]
    return request_id


def _shaped(request: Request, error: HTTPException) -> JSONResponse:
    where = f"{request.method} {request.url.path[:_MAX_PATH_CHARS]}"
    if error.status_code == HTTPStatus.NOT_FOUND:
        return error_response(NotFound(f"{where}: no such route"))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        return error_response(MethodNotAllowed(f"{where}: expected {allowed}"))
    response = error_response(InvalidRequest(f"{where}: {error.detail}"))
    response.status_code = error.status_code
    return response
