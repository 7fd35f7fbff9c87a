"""The public keys of an OpenID provider: its JWK set (RFC 7517), cached and fetched again as keys rotate."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio

from vad.errors import LivecueError

__all__ = ["JwksCache", "JwksTiming", "JwksUnavailable"]

logger = logging.getLogger("livecue.auth")

_KeySet = TypeVar("_KeySet")

_MIN_INTERVAL_S = 10.0
"""Between two fetches for unknown key ids, so that invented ids cannot make the gateway flood the provider."""

_FIRST_RETRY_S, _MAX_RETRY_S = 1.0, 60.0
"""After a failure, doubled with each further one."""


class JwksUnavailable(LivecueError):
    """The JWK set cannot be fetched or read."""

    code = "jwks_unavailable"


@dataclass(frozen=True, slots=True)
class JwksTiming:
    """When a JWK set is fetched, and how long it is used.

    Attributes:
        refresh_s: from a fetch to the next.
        max_stale_s: for which a set is used while it cannot be fetched again.
    """

    refresh_s: float
    max_stale_s: float


class JwksCache(Generic[_KeySet]):
    """Has the newest JWK set that could be fetched.

    | the set is | a known key id | an unknown key id |
    |---|---|---|
    | fresh, or not refreshable | used | one fetch for all who wait, at most every 10 s; then refused |
    | older than `max_stale_s`, or never fetched | one fetch, after the back-off; then `JwksUnavailable` | likewise |

    Args:
        fetch: returns the set, or raises `JwksUnavailable`.
        timing: of the fetches.
        clock: monotonic, in seconds.
    """

    def __init__(self, fetch: Callable[[], Awaitable[_KeySet]], timing: JwksTiming, clock: Callable[[], float]) -> None:
        self.failures = 0
        """Number of fetches that failed."""
        self._fetch = fetch
        self._timing = timing
        self._clock = clock
        self._keys: _KeySet | None = None
        self._fetched_s = 0.0
        self._retry_s = _FIRST_RETRY_S
        self._not_before_s = clock()
        self._fetching = anyio.Lock()
        self._is_failing = False

    @property
    def due_s(self) -> float:
        """How long until the next regular fetch, in seconds."""
        due_s = self._not_before_s if self._is_failing else self._fetched_s + self._timing.refresh_s
        return max(0.0, due_s - self._clock())

    async def keys(self) -> _KeySet:
        """Return the present set.

        Raises:
            JwksUnavailable: there is none, or it is too old, and it cannot be fetched.
        """
        if self._usable is None:
            await self.refresh()
        return self._required()

    async def newer_keys(self, than: _KeySet) -> _KeySet:
        """Return a set in which a key may be that an older one lacks: the older one itself, if it cannot be fetched.

        Args:
            than: the set that lacks the key.

        Raises:
            JwksUnavailable: the present set is too old.
        """
        if self._keys is than:
            await self.refresh()
        return self._required()

    async def refresh(self) -> None:
        """Fetch the set, unless that was tried a moment ago, be it by another caller meanwhile. Never raise."""
        async with self._fetching:
            if self._clock() < self._not_before_s:
                return
            try:
                self._keys = await self._fetch()
            except JwksUnavailable as error:
                self._fail(error)
                return
            if self._is_failing:
                logger.warning("the JWK set could be fetched again")
            self._is_failing = False
            self._retry_s = _FIRST_RETRY_S
            self._fetched_s = self._clock()
            self._not_before_s = self._fetched_s + min(_MIN_INTERVAL_S, self._timing.refresh_s)

    async def run(self) -> None:
        """Keep the set fresh until cancelled."""
        while True:
            await self.refresh()
            await anyio.sleep(self.due_s)

    @property
    def _usable(self) -> _KeySet | None:
        is_stale = self._clock() - self._fetched_s > self._timing.max_stale_s
        return None if self._keys is None or is_stale else self._keys

    def _required(self) -> _KeySet:
        keys = self._usable
        if keys is None:
            raise JwksUnavailable("the keys of the token's issuer cannot be fetched at the moment")
        return keys

    def _fail(self, error: JwksUnavailable) -> None:
        self.failures += 1
        if not self._is_failing:
            logger.warning("the JWK set cannot be fetched, it is tried again: %s", error)
        self._is_failing = True
        self._not_before_s = self._clock() + self._retry_s
        self._retry_s = min(_MAX_RETRY_S, 2 * self._retry_s)
