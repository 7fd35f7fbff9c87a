"""How many sessions and files each key has open, and how many it may have. PURE."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.access.caller import Caller
from gateway.errors import ConcurrencyLimited

__all__ = ["KeySlots"]

_RETRY_S = 5.0
"""Sessions and files take minutes; retrying more often is of no use."""


class KeySlots:
    """Counts what is open by name of the caller.

    Args:
        limit_of: returns how many sessions and files a caller may have open at once; None: any number.
    """

    def __init__(self, limit_of: Callable[[Caller], int | None]) -> None:
        self._limit_of = limit_of
        self._open: Counter[str] = Counter()

    @contextmanager
    def hold(self, *callers: Caller) -> Iterator[None]:
        """Count one session or file of callers while the block lasts.

        Raises:
            ConcurrencyLimited: one of them has as many as it may.
        """
        names = {caller.name: self._limit_of(caller) for caller in callers if caller.name is not None}
        for name, limit in names.items():
            if limit is not None and self._open[name] >= limit:
                raise ConcurrencyLimited(
                    f"{self._open[name]} sessions and files of {name} are open (limit {limit})", _RETRY_S
                )
        self._open.update(names.keys())
        try:
            yield
        finally:
            self._open.subtract(names.keys())
            self._open = +self._open  # no zeros
