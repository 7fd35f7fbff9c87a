"""Keeps the trace headers of a request for the session that it opens."""

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.request_context import trace_headers

__all__ = ["TraceHeaders"]

_NAMES = (b"traceparent", b"tracestate")
"""https://www.w3.org/TR/trace-context/ §3."""


class TraceHeaders:
    """Middleware that lets the tasks of a request, an upgrade included, read the client's trace context.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = {name.decode(): value.decode("latin-1") for name, value in scope.get("headers", ()) if name in _NAMES}
        token = trace_headers.set(found)
        try:
            await self._app(scope, receive, send)
        finally:
            trace_headers.reset(token)
