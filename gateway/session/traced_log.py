"""Opens the trace of a session, where the gateway traces, and passes the session's events to it."""

from collections.abc import Callable

from gateway.delivery.broadcast import SessionInfo
from gateway.request_context import LogContext, log_context, trace_headers
from gateway.session.context import SessionContext
from gateway.session.pipeline_driver import EventLog
from gateway.session.session_trace import SessionTrace
from gateway.wire import ServerEvent
from vad.errors import LivecueError

__all__ = ["TracedLog", "bind_logs", "open_trace"]


class TracedLog:
    """An event log whose events are traced on their way.

    Args:
        log: takes the events.
        trace: of the session.
        clock: in seconds since 1970.
    """

    def __init__(self, log: EventLog, trace: SessionTrace, clock: Callable[[], float]) -> None:
        self._log = log
        self._trace = trace
        self._clock = clock

    def append(self, event: ServerEvent) -> None:
        """Append the next event."""
        self._trace.emitted(event, self._clock())
        self._log.append(event)

    def close(self, error: LivecueError | None = None) -> None:
        """Discard all later events."""
        self._log.close(error)


def open_trace(context: SessionContext, session_id: str, info: SessionInfo, now_s: float) -> SessionTrace | None:
    """Return the trace of a session, continuing that of the client's request; None: the gateway does not trace."""
    if context.tracer is None:
        return None
    attributes = {
        "livecue.session.id": session_id,
        "livecue.dialect": info.dialect,
        "livecue.engine": context.engine.engine,
        "livecue.model": context.engine.model,
        **({} if info.owner is None else {"livecue.key.name": info.owner}),
    }
    return SessionTrace(context.tracer.begin(trace_headers.get(), now_s, attributes))


def bind_logs(session_id: str, trace: SessionTrace | None) -> None:
    """Let log lines of this task, and of those that it starts from now on, carry the session's ids."""
    log_context.set(LogContext(session_id, None if trace is None else trace.trace_id))
