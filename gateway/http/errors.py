"""One shape for every HTTP error, the framework's own included, and a name for every response."""

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

_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
"""What may be echoed, and written to a log."""

_MAX_SHOWN_CHARS = 100
"""Of a path, in the refusal of it."""


def error_response(error: LivecueError) -> JSONResponse:
    """Return the response that tells an error."""
    return JSONResponse(error_body(error), reply_to(error).http_status, error_headers(error))


def shape_errors(app: FastAPI) -> None:
    """Let an application answer every error in the one shape."""

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
        # The server logs the traceback. It answers outside `RequestIds`, so the name is set here.
        response = error_response(LivecueError("the gateway failed"))
        response.headers[_HEADER] = _id_of(request.scope)
        return response

    app.add_exception_handler(LivecueError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, from_framework)
    app.add_exception_handler(Exception, unexpected)


class RequestIds:
    """Names each HTTP response: with the `X-Request-ID` of its request where that is a sane one, else with a new one.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def named(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                MutableHeaders(scope=message)[_HEADER] = _id_of(scope)
            await send(message)

        await self._app(scope, receive, named)


def _id_of(scope: Scope) -> str:
    state = scope.setdefault("state", {})
    if _HEADER not in state:
        own = next((value for name, value in scope["headers"] if name == _HEADER.encode()), b"").decode("latin-1")
        state[_HEADER] = own if _SANE_ID.fullmatch(own) else f"req_{uuid4().hex}"
    request_id: str = state[_HEADER]
    return request_id


def _shaped(request: Request, error: HTTPException) -> JSONResponse:
    where = f"{request.method} {request.url.path[:_MAX_SHOWN_CHARS]}"
    if error.status_code == HTTPStatus.NOT_FOUND:
        return error_response(NotFound(f"{where}: there is no such route"))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        return error_response(MethodNotAllowed(f"{where}: allowed is {allowed}"))
    response = error_response(InvalidRequest(f"{where}: {error.detail}"))
    response.status_code = error.status_code
    return response
