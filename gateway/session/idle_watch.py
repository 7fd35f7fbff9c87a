"""Detects a client that sends nothing or does not read."""

from collections.abc import Callable

import anyio

from gateway.delivery.send_queue import SendQueue

__all__ = ["IdleWatch"]

_CHECKS = 4
"""Checks within the timeout, which is therefore accurate to a quarter."""


class IdleWatch:
    """Counts messages and checks the count at intervals, which costs less than a timeout for each message.

    Args:
        idle_s: timeout after which a client that sends nothing is idle.
        unused_s: timeout before its first message, if shorter.
    """

    def __init__(self, idle_s: float, unused_s: float) -> None:
        self._idle_s = idle_s
        self._unused_s = unused_s
        self._messages = 0

    def count_message(self) -> None:
        """Count a message."""
        self._messages += 1

    async def idle(self, queue: SendQueue, is_active: Callable[[], bool]) -> float | None:
        """Return the timeout in seconds once the client has been idle for it; None: its queue is full and closed.

        Args:
            queue: of the client's connection.
            is_active: whether the timeout runs yet.

        Raises:
            SlowReader: the client does not read.
        """
        counted, quiet_checks, limit_s = 0, 0, self._idle_s
        while quiet_checks < _CHECKS:
            limit_s = self._idle_s if self._messages else min(self._idle_s, self._unused_s)
            with anyio.move_on_after(limit_s / _CHECKS):
                await queue.overflowed.wait()
                if queue.is_closed:  # the queued events are still sent, and the close code gives the reason
                    return None
                raise queue.overflow
            is_quiet = is_active() and counted == self._messages
            quiet_checks = quiet_checks + 1 if is_quiet else 0
            counted = self._messages
        return limit_s
