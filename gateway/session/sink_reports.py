"""Starts the sinks of a session, and reports to its client how far they are."""

from collections.abc import Sequence

from gateway.session.assembly import SessionParts
from gateway.session.context import SessionContext
from gateway.sinks.progress import SinkProgress
from gateway.sinks.sink import SessionFacts
from gateway.wire import SinksStatus, SinkStatus
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["start_sinks"]


def start_sinks(context: SessionContext, parts: SessionParts, opened_s: float) -> None:
    """Send a session's captions to its sinks from now on.

    Args:
        context: shared by all sessions.
        parts: of the session.
        opened_s: when it was opened, in seconds since 1970.
    """

    def report(sinks: Sequence[SinkProgress]) -> None:
        if not parts.output.is_closed:
            statuses = (SinkStatus(s.name, s.state, s.sent, s.queued, s.dropped, s.message) for s in sinks)
            parts.output.append(SinksStatus(parts.pipeline.next_seq(), tuple(statuses)))

    if context.sinks is not None:
        pad_after_s = parts.pipeline.pad_after_samples / SAMPLE_RATE_HZ
        session = SessionFacts(parts.session_id, opened_s, parts.pipeline.language, pad_after_s)
        context.sinks.start(session, parts.sinks, parts.output.broadcast, report)
