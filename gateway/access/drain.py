"""Whether the gateway is draining: nothing new begins, and what goes on has a deadline."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import anyio

from gateway.cancellation import work_until
from gateway.errors import Draining

__all__ = ["Drain"]

_Outcome = TypeVar("_Outcome")


class _Undone:
    """What a work has for an outcome that was not done in time."""


_UNDONE = _Undone()


class Drain:
    """Whether a gateway is being drained, and whom that concerns."""

    def __init__(self) -> None:
        self.has_begun = False
        self.is_due = anyio.Event()
        """Set when time is up."""
        self._concerned: set[Callable[[], None]] = set()

    @contextmanager
    def calling(self, on_begin: Callable[[], None]) -> Iterator[None]:
        """Call somebody when it begins, if it does while the block lasts; at once, where it has begun."""
        self._concerned.add(on_begin)
        if self.has_begun:
            on_begin()
        try:
            yield
        finally:
            self._concerned.discard(on_begin)

    def check(self) -> None:
        """Let something new begin.

        Raises:
            Draining: it must not.
        """
        if self.has_begun:
            raise Draining("the gateway stops: try again in a moment, or elsewhere")

    async def before_due(self, work: Callable[[], Awaitable[_Outcome]]) -> _Outcome:
        """Return the outcome of a work that ends when time is up.

        Raises:
            Draining: it was not done by then.
            LivecueError, ClientDisconnect: by the work.
        """
        outcome = await work_until(self.is_due.wait, work, _UNDONE)
        if isinstance(outcome, _Undone):
            raise Draining("the gateway stops, and this is not finished: ask again in a moment")
        return outcome

    def begin(self) -> None:
        """Let nothing new begin from now on."""
        self.has_begun = True
        for on_begin in tuple(self._concerned):
            on_begin()
