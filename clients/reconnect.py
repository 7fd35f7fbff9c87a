"""When a client that has lost the connection tries again, and when it gives up."""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import anyio

from clients.connection import ConnectionFailed

__all__ = ["BackOff", "Change", "Outage"]


class Change(StrEnum):
    """What a user is told of the connection."""

    LOST = "the connection was lost; trying again"
    BACK = "the connection is back"
    ANEW = "the session is gone; a new one begins, and its times at 0"


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long a client waits, and for what.

    Attributes:
        first_s: before the first attempt.
        longest_s: each wait is twice the one before, up to this.
        give_up_s: without a connection for so long, no other attempt is made. Twice the time that a gateway keeps a
            session by default: it may notice the loss much later than the client.
        clock, sleep: in seconds.
        jitter: 0 to 1, by how much of its half a wait is shortened, so that not all clients of a gateway come at once.
    """

    first_s: float = 0.25
    longest_s: float = 5.0
    give_up_s: float = 120.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    jitter: Callable[[], float] = random.random  # it only spreads attempts


class Outage:
    """The time without a connection.

    Args:
        back_off: how long to wait.
        on_change: called when the connection is lost, and when it is back.
    """

    def __init__(self, back_off: BackOff, on_change: Callable[[Change], None]) -> None:
        self._back_off = back_off
        self._on_change = on_change
        self._is_lost = False
        self._since_s: float | None = None
        self._wait_s = back_off.first_s

    async def wait(self, failure: ConnectionFailed) -> None:
        """Return when it is time for another attempt.

        Args:
            failure: of the attempt before, or of the connection.

        Raises:
            ConnectionFailed: it is time to give up.
        """
        back_off = self._back_off
        if not self._is_lost:
            self._is_lost = True
            self._on_change(Change.LOST)
        if self._since_s is None:
            self._since_s = back_off.clock()
        if back_off.clock() - self._since_s > back_off.give_up_s:
            raise ConnectionFailed(f"given up after {back_off.give_up_s:g} s: {failure}") from failure
        await back_off.sleep(self._wait_s * (1 - back_off.jitter() / 2))
        self._wait_s = min(2 * self._wait_s, back_off.longest_s)

    def back(self) -> None:
        """Note that there is a connection."""
        self._since_s = None
        if self._is_lost:
            self._is_lost = False
            self._on_change(Change.BACK)

    def progress(self) -> None:
        """Note that the connection is of use: after it is lost again, the first wait is short."""
        self._wait_s = self._back_off.first_s
