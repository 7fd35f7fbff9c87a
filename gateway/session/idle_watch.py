"""Notices a client that is silent or does not read."""

from collections.abc import Callable

import anyio

from gateway.delivery.send_queue import SendQueue

__all__ = ["IdleWatch"]

_LOOKS = 4
"""Looks at a client within the timeout, which is kept to a quarter therefore."""


class IdleWatch:
    """Counts messages, and looks at the count now and then: that costs less than a timeout for each message.

    Args:
        idle_s: a client is silent that sends nothing for so long.
        unused_s: the same before its first message, where that is shorter.
    """

    def __init__(self, idle_s: float, unused_s: float) -> None:
        self._idle_s = idle_s
        self._unused_s = unused_s
        self._messages = 0

    def note(self) -> None:
        """Count a message."""
        self._messages += 1

    async def silence(self, queue: SendQueue, matters: Callable[[], bool]) -> float | None:
        """Return after how many seconds the client is silent, once it is; None: its queue is full and closed.

        Args:
            queue: of the client.
            matters: whether silence counts yet.

        Raises:
            SlowReader: the client does not read.
        """
        counted, quiet_looks, limit_s = 0, 0, self._idle_s
        while quiet_looks < _LOOKS:
            limit_s = self._idle_s if self._messages else min(self._idle_s, self._unused_s)
            with anyio.move_on_after(limit_s / _LOOKS):
                await queue.overflowed.wait()
                if queue.is_closed:  # all but the last event can still be sent, and the close code says the rest
                    return None
                raise queue.overflow
            is_quiet = matters() and counted == self._messages
            quiet_looks = quiet_looks + 1 if is_quiet else 0
            counted = self._messages
        return limit_s
