"""The request and the session that the running task works for: what traces and log lines carry with them."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["LogContext", "log_context", "trace_headers"]

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LogContext:
    """What each log line of a task carries.

    Attributes:
        session_id: of the session that the task works for.
        trace_id: 32 hexadecimal digits; None: the session is not traced.
    """

    session_id: str
    trace_id: str | None = None


log_context: ContextVar[LogContext | None] = ContextVar("log_context", default=None)
"""Of the running task; tasks that it starts inherit it."""

trace_headers: ContextVar[Mapping[str, str]] = ContextVar("trace_headers", default=_NONE)
"""`traceparent` and `tracestate` of the request (W3C Trace Context) as the client sent them; empty: it sent none."""
