"""How many sessions, or files, there is room for."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import Overloaded

__all__ = ["Admission"]


class Admission:
    """Lets in as many as there is room for.

    Args:
        most: at once.
        what: they are called, in the refusal of one more.
    """

    def __init__(self, most: int, what: str = "sessions") -> None:
        self.open = 0
        self._most = most
        self._what = what

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place while the block lasts.

        Raises:
            Overloaded: there is none.
        """
        if self.open >= self._most:
            raise Overloaded(f"{self.open} {self._what} are open: there is room for no more")
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
