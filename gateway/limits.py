"""How many sessions there is room for."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import Overloaded

__all__ = ["Admission"]


class Admission:
    """Lets in as many sessions as there is room for.

    Args:
        max_sessions: at once.
    """

    def __init__(self, max_sessions: int) -> None:
        self.open = 0
        self._max_sessions = max_sessions

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place while the block lasts.

        Raises:
            Overloaded: there is none.
        """
        if self.open >= self._max_sessions:
            raise Overloaded(f"{self.open} sessions are open: there is room for no more")
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
