"""How many sessions, or files, there is room for."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from gateway.drain import Drain
from gateway.errors import Overloaded

__all__ = ["Admission"]


class Admission:
    """Lets in as many as there is room for, until the gateway stops.

    Args:
        most: at once.
        what: they are called, in the refusal of one more.
        drain: of the gateway.
    """

    def __init__(self, most: int, what: str = "sessions", drain: Drain | None = None) -> None:
        self.open = 0
        self._most = most
        self._what = what
        self._drain = drain or Drain()
        self._left = anyio.Event()

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place while the block lasts.

        Raises:
            Draining: the gateway stops.
            Overloaded: there is none.
        """
        self._drain.check()
        if self.open >= self._most:
            raise Overloaded(f"{self.open} {self._what} are open: there is room for no more")
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
            self._left.set()
            self._left = anyio.Event()

    async def emptied(self) -> None:
        """Return when nobody holds a place."""
        while self.open:
            await self._left.wait()
