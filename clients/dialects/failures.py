"""Failures from what a server leaves behind: a close frame, or a response that refuses. PURE."""

from http import HTTPStatus

import msgspec

from clients.dialects.driver import Failed

__all__ = ["CONNECTION_LOST", "failure"]

CONNECTION_LOST = "connection_lost"
"""The code where the server gave none."""

_MAX_CHARS = 300
"""Length of a body that is no known error, in a message to the user."""


class _Error(msgspec.Struct):
    code: str | int | None = None
    message: str | None = None
    type: str | None = None


class _Body(msgspec.Struct):
    """The error of an HTTP response: OpenAI's `error`, Deepgram's `err_…`, FastAPI's `detail`, or flat."""

    error: _Error | str | None = None
    err_code: str | None = None
    err_msg: str | None = None
    code: str | int | None = None
    message: str | None = None
    detail: str | None = None


def failure(code: int | None, reason: str) -> Failed:
    """Return the failure that an early end of the connection means.

    Args:
        code: of the close frame, or an HTTP status; None: there was none.
        reason: of the close frame, or the body of the response: the error in it, if it is JSON, gives code and message.
    """
    body = _body(reason)
    inner = body.error if isinstance(body.error, _Error) else _Error(message=body.error)
    named = inner.code or inner.type or body.err_code or body.code or code or CONNECTION_LOST
    message = inner.message or body.err_msg or body.message or body.detail
    return Failed(str(named), message or reason[:_MAX_CHARS] or _meaning(code))


def _body(reason: str) -> _Body:
    try:
        return msgspec.json.decode(reason, type=_Body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _Body()


def _meaning(code: int | None) -> str:
    if code is None:
        return "the connection was lost"
    try:
        return f"HTTP {code} {HTTPStatus(code).phrase}"
    except ValueError:
        return f"the server closed the connection with code {code}"
