"""Retries with back-off after a lost connection."""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import anyio

from clients.connection import ConnectionFailed

__all__ = ["BackOff", "Change", "Outage"]


class Change(StrEnum):
    """Changes of the connection, as messages to the user."""

    LOST = "the connection was lost; reconnecting"
    RESTORED = "the connection was restored"
    NEW_SESSION = "the session was lost; a new one begins, with times from 0"


@dataclass(frozen=True, slots=True)
class BackOff:
    """Timing of retries.

    Attributes:
        first_s: wait before the first retry.
        longest_s: each wait is twice the one before, up to this.
        give_up_s: time without a connection after which retries end. Twice the time that a gateway keeps a session by
            default, because it may detect the loss much later than the client.
        clock, sleep: in seconds.
        jitter: returns 0 to 1, the share of half a wait by which it is shortened, so that the clients of a gateway
            do not reconnect all at once.
    """

    first_s: float = 0.25
    longest_s: float = 5.0
    give_up_s: float = 120.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    jitter: Callable[[], float] = random.random  # it only spreads the retries


class Outage:
    """The state of the retries.

    Args:
        back_off: timing of the retries.
        on_change: called when the connection is lost, and when it is restored.
    """

    def __init__(self, back_off: BackOff, on_change: Callable[[Change], None]) -> None:
        self._back_off = back_off
        self._on_change = on_change
        self._is_lost = False
        self._since_s: float | None = None
        self._wait_s = back_off.first_s

    async def wait(self, failure: ConnectionFailed) -> None:
        """Wait until the next retry.

        Args:
            failure: of the previous attempt, or of the connection.

        Raises:
            ConnectionFailed: there was no connection for `give_up_s`.
        """
        back_off = self._back_off
        if not self._is_lost:
            self._is_lost = True
            self._on_change(Change.LOST)
        if self._since_s is None:
            self._since_s = back_off.clock()
        if back_off.clock() - self._since_s > back_off.give_up_s:
            raise ConnectionFailed(f"no connection for {back_off.give_up_s:g} s: {failure}") from failure
        await back_off.sleep(self._wait_s * (1 - back_off.jitter() / 2))
        self._wait_s = min(2 * self._wait_s, back_off.longest_s)

    def restored(self) -> None:
        """Handle a successful connection."""
        self._since_s = None
        if self._is_lost:
            self._is_lost = False
            self._on_change(Change.RESTORED)

    def progress(self) -> None:
        """Reset the back-off, as the connection delivers events."""
        self._wait_s = self._back_off.first_s
