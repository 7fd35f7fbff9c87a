"""How many sessions, or files, there is room for, and how much of it is for whom."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from gateway.access.authenticator import Caller
from gateway.access.drain import Drain
from gateway.errors import Overloaded

__all__ = ["Admission", "Shares"]


@dataclass(frozen=True, slots=True)
class Shares:
    """How a limit is shared.

    Attributes:
        tenant_of: returns who a caller is among those who share; None: there is nobody to share with.
        most: of a limit, for one of them, 0..1.
    """

    tenant_of: Callable[[Caller], str | None] = lambda caller: None
    most: float = 1.0

    def of(self, limit: int) -> int:
        """Return how many of a limit are for one tenant: one at least."""
        return max(1, round(limit * self.most))


class Admission:
    """Lets in as many as there is room for, until the gateway stops.

    Args:
        most: at once.
        what: they are called, in the refusal of one more.
        drain: of the gateway.
        shares: how many of these are for one tenant.
    """

    def __init__(
        self, most: int, what: str = "sessions", drain: Drain | None = None, shares: Shares | None = None
    ) -> None:
        self.open = 0
        self._most = most
        self._what = what
        self._drain = drain or Drain()
        self._shares = shares or Shares()
        self._held: Counter[str] = Counter()
        self._left = anyio.Event()

    @contextmanager
    def enter(self, *callers: Caller) -> Iterator[None]:
        """Hold a place while the block lasts.

        Args:
            callers: on whose account: all of them must have room in their share.

        Raises:
            Draining: the gateway stops.
            Overloaded: there is none.
        """
        self._drain.check()
        if self.open >= self._most:
            raise Overloaded(f"{self.open} {self._what} are open: there is room for no more")
        tenants = {tenant for caller in callers if (tenant := self._shares.tenant_of(caller)) is not None}
        for tenant in tenants:
            if self._held[tenant] >= self._shares.of(self._most):
                raise Overloaded(f"{self._held[tenant]} {self._what} of {tenant} are open, which is its share")
        self.open += 1
        self._held.update(tenants)
        try:
            yield
        finally:
            self.open -= 1
            self._held.subtract(tenants)
            self._held = +self._held  # no zeros
            self._left.set()
            self._left = anyio.Event()

    async def emptied(self) -> None:
        """Return when nobody holds a place."""
        while self.open:
            await self._left.wait()
