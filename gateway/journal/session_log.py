"""The event log of one session: records events in the journal, then publishes them in order."""

from collections.abc import Callable
from typing import Protocol

from gateway.journal.ordered_delivery import EventSink, OrderedDelivery, PendingEvent
from gateway.wire import ServerEvent, Warning
from vad.errors import LivecueError

__all__ = ["EventRecorder", "SessionLog"]


class EventRecorder(Protocol):
    """Records the events of all sessions."""

    def record(self, session_id: str, pending: PendingEvent) -> None:
        """Record the next event of a session, and hold it if it must be durable before it is published."""
        ...


class SessionLog:
    """An append-only log of one session's events.

    Args:
        session_id: of the session.
        sink: receives every event, in order: at once, or once it is durable.
        next_seq: numbers warnings of `append_warning`.
        recorder: records events; None: nothing is recorded.
    """

    def __init__(
        self, session_id: str, sink: EventSink, next_seq: Callable[[], int], recorder: EventRecorder | None = None
    ) -> None:
        self._session_id = session_id
        self._next_seq = next_seq
        self._recorder = recorder
        self._delivery = OrderedDelivery(sink)

    @property
    def next_pending_seq(self) -> int | None:
        """Number of the first event that is not published yet; None: no such event."""
        return self._delivery.next_seq

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called, so that it accepts no more events; pending ones are still published."""
        return self._delivery.is_closed

    def append(self, event: ServerEvent) -> None:
        """Record an event and publish it; discard it after `close`."""
        if self._delivery.is_closed:
            return
        pending = PendingEvent(event)
        if self._recorder is not None:
            self._recorder.record(self._session_id, pending)
        self._delivery.put(pending)

    def append_warning(self, code: str, message: str) -> None:
        """Append a warning."""
        self.append(Warning(self._next_seq(), code, message))

    def release(self, pending: PendingEvent) -> None:
        """Publish an event that has become durable, or whose timeout is over."""
        self._delivery.release(pending)

    def revoke(self, error: LivecueError) -> None:
        """Publish nothing more, not even what is pending, and close the sink at once."""
        self._delivery.revoke(error)

    def close(self, error: LivecueError | None = None) -> None:
        """Accept no more events; the sink is closed once it has received all of them."""
        self._delivery.close(error)
