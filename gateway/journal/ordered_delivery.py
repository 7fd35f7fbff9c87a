"""Tells the events of a session in their order, some of them only once they have been written down. PURE."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gateway.wire import ServerEvent
from gateway.wire.server_events import seq_of

__all__ = ["OrderedDelivery", "PendingEvent"]


@dataclass(eq=False, slots=True)
class PendingEvent:
    """An event that nobody has been told yet.

    Attributes:
        is_held: whether it is still to be written down.
    """

    event: ServerEvent
    tell: Callable[[ServerEvent], None]
    is_held: bool


class OrderedDelivery:
    """The events of one session that wait to be told: those held, and those behind them."""

    def __init__(self) -> None:
        self._untold: deque[PendingEvent] = deque()

    @property
    def next_seq(self) -> int | None:
        """Number of the first event that waits; None: none does."""
        return next((seq for untold in self._untold if (seq := seq_of(untold.event)) is not None), None)

    def put(self, untold: PendingEvent) -> None:
        """Tell the next event, unless it is held, or one before it is."""
        if self._untold or untold.is_held:
            self._untold.append(untold)
        else:
            untold.tell(untold.event)

    def release(self, untold: PendingEvent) -> None:
        """Hold an event no longer, and tell all that nothing holds back any more."""
        untold.is_held = False
        while self._untold and not self._untold[0].is_held:
            first = self._untold.popleft()
            first.tell(first.event)
