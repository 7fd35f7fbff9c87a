"""Limits how long events are held until they are durable: a slow disk must not delay captions."""

from collections import deque
from collections.abc import Callable

import anyio

from gateway.journal.ordered_delivery import PendingEvent
from gateway.journal.session_log import SessionLog

__all__ = ["HoldTimeout"]

_MAX_HOLD_S = 0.1
"""Barely noticeable in captions, and much longer than a write takes."""


class HoldTimeout:
    """Releases each held event after `_MAX_HOLD_S` at the latest, or once this gateway is certain to own its session.

    Args:
        is_owner: whether it is certain now.
    """

    def __init__(self, is_owner: Callable[[], bool] = lambda: True) -> None:
        self._is_owner = is_owner
        self._held: deque[tuple[float, SessionLog, PendingEvent]] = deque()
        """Due time, log and event, oldest first; as many as are added within `_MAX_HOLD_S`."""
        self._has_held = anyio.Event()

    def add(self, log: SessionLog, pending: PendingEvent) -> None:
        """Start the timeout of an event of a log."""
        self._held.append((anyio.current_time() + _MAX_HOLD_S, log, pending))
        self._has_held.set()

    def release_all(self) -> None:
        """Release all events at once."""
        for _, log, pending in tuple(self._held):
            log.release(pending)

    async def run(self) -> None:
        """Release the events that are due, until cancelled."""
        while True:
            await self._has_held.wait()
            while self._held:
                due_s, log, pending = self._held[0]
                if pending.is_held:
                    await anyio.sleep_until(due_s)
                self._held.popleft()
                if pending.is_held and not self._is_owner():
                    self.add(log, pending)
                else:
                    log.release(pending)
            self._has_held = anyio.Event()
