"""Keeps the accounts in memory and the keys in the state database in step."""

import logging
from collections.abc import Callable
from contextlib import suppress

import anyio

from gateway.access.accounts import Accounts
from gateway.access.api_key_store import KeyStore
from gateway.access.api_keys import TokenBucket
from gateway.errors import RateLimited
from gateway.sqlite import StateDatabase, StateUnavailable

__all__ = ["AccountSync"]

logger = logging.getLogger("livecue.auth")

_LOOKUPS_PER_MINUTE = 60
"""Extra database reads for keys that are unknown here, so that guessing keys cannot keep the database busy."""


class AccountSync:
    """Writes the usage of keys to the database, and reads what others have changed there.

    Args:
        accounts: in memory.
        database: with `KEYS_SCHEMA` among its schemas.
        clock: monotonic, in seconds.
    """

    def __init__(self, accounts: Accounts, database: StateDatabase, clock: Callable[[], float]) -> None:
        self.failures = 0
        """Number of failures to reach the database."""
        self._accounts = accounts
        self._database = database
        self._store = KeyStore(database)
        self._clock = clock
        self._lookups = TokenBucket(_LOOKUPS_PER_MINUTE, clock())
        self._running = anyio.Lock()
        self._is_failing = False

    async def run(self) -> None:
        """Write the usage to the database, and read what others have changed.

        Raises:
            StateUnavailable: the database is unreachable; no usage is lost.
        """
        async with self._running:
            spent = self._accounts.unwritten_s()
            try:
                stored = await self._database.run(lambda: self._store.charge(spent) if spent else self._store.changed())
            except StateUnavailable as error:
                self.failures += 1
                if not self._is_failing:
                    logger.warning("keys and credits are kept in memory until the database is reachable: %s", error)
                self._is_failing = True
                raise
            self._is_failing = False
            for each in stored or ():
                self._accounts.update_stored(each.key, self._clock(), spent.get(each.key.name, 0.0))

    async def look_up(self) -> None:
        """Read the database ahead of time for a key that is unknown or exhausted, unless that was done too often."""
        if self._is_failing:  # `run` notices when the database is back; no request has to wait for it
            return
        with suppress(RateLimited, StateUnavailable):
            self._lookups.take(self._clock())
            await self.run()
