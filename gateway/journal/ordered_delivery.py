"""Delivers the events of a session in order, held ones once they are durable. PURE."""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from gateway.wire import ServerEvent
from gateway.wire.server_events import seq_of
from vad.errors import LivecueError

__all__ = ["EventSink", "OrderedDelivery", "PendingEvent"]


class EventSink(Protocol):
    """Receives the events of one session, in order. Its methods neither wait nor raise."""

    def publish(self, event: ServerEvent) -> None:
        """Receive the next event."""
        ...

    def close(self, error: LivecueError | None) -> None:
        """End: no event follows. The error is why the session ended; None: it has finished."""
        ...


@dataclass(eq=False, slots=True)
class PendingEvent:
    """An event on its way to the sink.

    Attributes:
        event: the event.
        is_held: whether it must become durable before it is delivered.
    """

    event: ServerEvent
    is_held: bool = False


class OrderedDelivery:
    """The pending events of one session: held ones, and those queued behind them.

    Args:
        sink: receives each event once, in order of `put`.
    """

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._pending: deque[PendingEvent] = deque()
        self._is_closed = False
        self._error: LivecueError | None = None

    @property
    def next_seq(self) -> int | None:
        """Number of the first pending event that has one; None: no such event."""
        return next((seq for pending in self._pending if (seq := seq_of(pending.event)) is not None), None)

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called; pending events are still delivered."""
        return self._is_closed

    def put(self, pending: PendingEvent) -> None:
        """Deliver the next event, or queue it if it or an earlier one is held; discard it after `close`."""
        if self._is_closed:
            return
        self._pending.append(pending)
        self._deliver()

    def release(self, pending: PendingEvent) -> None:
        """Release a held event, and deliver what it held back. May be called repeatedly, or before `put`."""
        pending.is_held = False
        self._deliver()

    def close(self, error: LivecueError | None = None) -> None:
        """Close the sink once all pending events are delivered; later calls are ignored."""
        if self._is_closed:
            return
        self._is_closed, self._error = True, error
        if not self._pending:
            self._sink.close(error)

    def revoke(self, error: LivecueError) -> None:
        """Discard the pending events, and close the sink at once."""
        if self._is_closed and not self._pending:
            return
        self._is_closed = True
        self._pending.clear()
        self._sink.close(error)

    def _deliver(self) -> None:
        if not self._pending:
            return
        while self._pending and not self._pending[0].is_held:
            self._sink.publish(self._pending.popleft().event)
        if not self._pending and self._is_closed:
            self._sink.close(self._error)
