"""Admission control: how many sessions or files may be open at once, by count and by forecast, and tenants' shares."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from gateway.access.caller import Caller
from gateway.access.drain import Drain
from gateway.access.key_slots import KeySlots
from gateway.errors import Overloaded

__all__ = ["Admission", "Shares"]


@dataclass(frozen=True, slots=True)
class Shares:
    """How a limit is shared between tenants.

    Attributes:
        tenant_of: returns the tenant of a caller; None: the limit is not shared.
        most: fraction of a limit for one tenant, 0..1.
    """

    tenant_of: Callable[[Caller], str | None] = lambda caller: None
    most: float = 1.0

    def of(self, limit: int) -> int:
        """Return one tenant's share of a limit, at least 1."""
        return max(1, round(limit * self.most))


class Admission:
    """Admits callers while there are free slots, and none while the gateway drains.

    Args:
        most: slots.
        what: name of what takes a slot, in the plural, for messages.
        drain: of the gateway.
        shares: how the slots are shared between tenants.
        key_slots: how many of these, and of others, each key may hold; None: any number.
        forecast: returns how many more there is capacity for, given how many are open; None: unknown.
    """

    def __init__(
        self,
        most: int,
        what: str = "sessions",
        drain: Drain | None = None,
        shares: Shares | None = None,
        key_slots: KeySlots | None = None,
        forecast: Callable[[int], int | None] = lambda taken: None,
    ) -> None:
        self.open = 0
        """Slots taken."""
        self._most = most
        self._what = what
        self._drain = drain or Drain()
        self._shares = shares or Shares()
        self._key_slots = key_slots or KeySlots(lambda caller: None)
        self._forecast = forecast
        self._held: Counter[str] = Counter()
        self._left = anyio.Event()

    @property
    def limit(self) -> int:
        """How many there is capacity for now, those that are open included."""
        more = self._forecast(self.open)
        return self._most if more is None else min(self._most, self.open + more)

    @property
    def free(self) -> int:
        """How many more are admitted now, ≥ 0: none while the gateway drains."""
        return 0 if self._drain.has_begun else max(0, self.limit - self.open)

    @contextmanager
    def enter(self, *callers: Caller) -> Iterator[None]:
        """Hold a slot while the block lasts.

        Args:
            callers: whose shares the slot counts against: each of them must have one left.

        Raises:
            Draining: the gateway is stopping.
            Overloaded: there is no free slot.
            ConcurrencyLimited: a caller's key has as many sessions and files open as it may.
        """
        self._drain.check()
        limit = self.limit
        if self.open >= self._most:
            raise Overloaded(f"{self.open} {self._what} are open (limit {self._most})")
        if self.open >= limit:
            raise Overloaded(f"{self.open} {self._what} are open, and the engine has no capacity for another")
        tenants = {tenant for caller in callers if (tenant := self._shares.tenant_of(caller)) is not None}
        for tenant in tenants:
            if self._held[tenant] >= self._shares.of(limit):
                raise Overloaded(f"{self._held[tenant]} {self._what} of {tenant} are open, which is its share")
        with self._key_slots.hold(*callers):
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
        """Wait until no slot is taken."""
        while self.open:
            await self._left.wait()
