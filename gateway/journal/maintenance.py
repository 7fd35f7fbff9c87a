"""Maintains the journal's store: retention, interrupted sessions, and checks that it still exists."""

import logging
from collections.abc import Awaitable, Callable
from itertools import chain, repeat

import anyio

from gateway.journal.store import JournalStore
from gateway.journal.writer import JournalWriter
from gateway.settings import JournalSettings
from gateway.sqlite import StateUnavailable

__all__ = ["Maintenance"]

logger = logging.getLogger("livecue.journal")

_SWEEP_INTERVAL_S = 3_600.0
"""Retention is counted in days."""

_CHECK_INTERVAL_S = 1.0
"""Events written to a deleted store are lost, so check often that it still exists."""

_S_PER_DAY = 86_400.0


class Maintenance:
    """Deletes sessions whose retention is over, and detects that the store was deleted.

    Args:
        store: of the journal.
        writer: of the store.
        settings: how long sessions are kept.
        grace_s: a session that is not open here counts as interrupted if nothing has been written of it for that long.
        clock: seconds since 1970.
        delete: deletes the session of an id.
    """

    def __init__(
        self,
        store: JournalStore,
        writer: JournalWriter,
        settings: JournalSettings,
        grace_s: float,
        clock: Callable[[], float],
        delete: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._store = store
        self._writer = writer
        self._settings = settings
        self._grace_s = grace_s
        self._clock = clock
        self._delete = delete

    async def run(self) -> None:
        """Maintain the store until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._sweep_periodically)
            tasks.start_soon(self._check_periodically)

    async def sweep(self) -> None:
        """Delete sessions whose retention is over, and mark those as interrupted that a crash left open.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        now_s, days = self._clock(), self._settings.retention_days
        ended_before_s = None if days is None else now_s - days * _S_PER_DAY
        own = self._writer.sessions()
        due = await self._store.sweep(now_s - self._grace_s, ended_before_s, now_s, own)
        for session_id in due:
            await self._delete(session_id)

    async def _check_periodically(self) -> None:
        while True:
            await self._writer.check()
            await anyio.sleep(_CHECK_INTERVAL_S)

    async def _sweep_periodically(self) -> None:
        # sessions left open by a crash can be resumed within the grace time, so sweep again once it is over
        for wait_s in chain((0.0, self._grace_s), repeat(_SWEEP_INTERVAL_S)):
            await anyio.sleep(wait_s)
            try:
                await self.sweep()
            except StateUnavailable as error:
                logger.warning("journal sweep failed, retrying later: %s", error)
