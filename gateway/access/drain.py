"""The drain state of a gateway: no new work begins, and the work in progress has a deadline."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import anyio

from gateway.cancellation import work_until
from gateway.errors import Draining

__all__ = ["Drain"]

_Outcome = TypeVar("_Outcome")


class _Unfinished:
    """The outcome of work that the deadline has cancelled."""


_UNFINISHED = _Unfinished()


class Drain:
    """Whether a gateway drains, and the callbacks to run when it begins to."""

    def __init__(self) -> None:
        self.has_begun = False
        self.is_due = anyio.Event()
        """Set at the deadline."""
        self.finished = anyio.Event()
        """Set once nothing is left to finish."""
        self._callbacks: set[Callable[[], None]] = set()

    @contextmanager
    def calling(self, on_begin: Callable[[], None]) -> Iterator[None]:
        """Call `on_begin` if the drain begins while the block lasts, or at once if it has begun already."""
        self._callbacks.add(on_begin)
        if self.has_begun:
            on_begin()
        try:
            yield
        finally:
            self._callbacks.discard(on_begin)

    def check(self) -> None:
        """Check that new work may begin.

        Raises:
            Draining: it must not.
        """
        if self.has_begun:
            raise Draining("the gateway is stopping: retry in a moment, or at another gateway")

    async def before_due(self, work: Callable[[], Awaitable[_Outcome]]) -> _Outcome:
        """Return the outcome of the work, which is cancelled at the deadline.

        Raises:
            Draining: it was cancelled.
            LivecueError, ClientDisconnect: by the work.
        """
        outcome = await work_until(self.is_due.wait, work, _UNFINISHED)
        if isinstance(outcome, _Unfinished):
            raise Draining("the gateway is stopping before this was finished: retry in a moment")
        return outcome

    def begin(self) -> None:
        """Refuse new work from now on."""
        self.has_begun = True
        for on_begin in tuple(self._callbacks):
            on_begin()
