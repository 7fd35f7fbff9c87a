"""What is written to a session that has ended. PURE."""

from collections.abc import Iterable

from gateway.journal.store import Batch, Change, Entry
from gateway.wire import ServerEvent
from gateway.wire.server_events import seq_of

__all__ = ["amendment"]


def amendment(entry: Entry, event: ServerEvent, superseded: Iterable[int], now_s: float) -> Batch:
    """Return the batch that adds an event to a session that has ended.

    Args:
        entry: of the session.
        event: numbered above all of the session's events.
        superseded: numbers of the events that it supersedes.
        now_s: in seconds since 1970.
    """
    session_id, seq = entry.session_id, seq_of(event)
    assert seq is not None, "only numbered events are in the journal"
    change = Change(session_id, now_s, ended_s=entry.ended_s, outcome=entry.outcome)
    return Batch((), {(session_id, seq): event}, [(session_id, each) for each in superseded], [change])
