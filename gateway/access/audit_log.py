"""The audit log of a running gateway: records wait in memory until they are in the file."""

import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from anyio import to_thread

from gateway.access.audit_file import AuditFile
from gateway.access.audit_record import AuditEvent, actor_of, audit_line
from gateway.access.caller import Caller
from gateway.access_settings import AuditSettings
from gateway.errors import ConfigurationError, Unavailable

__all__ = ["AuditLog", "open_audit_log"]

logger = logging.getLogger("livecue.audit")

_MAX_WAITING = 10_000
"""Records, some 2 MB: a minute of 150 requests a second."""

_MAX_BATCH = 1_000

_RETRY_S = 1.0

_LAST_WRITE_S = 2.0
"""How long the end of a gateway may wait for a slow disk."""


class AuditLog:
    """Takes records at once, and appends them to the file by a task; a slow or failing disk delays no client.

    Args:
        file: None: nothing is recorded.
        is_required: whether requests are refused while records cannot be written.
        clock: seconds since 1970.
    """

    def __init__(
        self, file: AuditFile | None, *, is_required: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self.written = 0
        """Records in the file."""
        self.failures = 0
        """Failures to write."""
        self.lost = 0
        """Records that were dropped, because too many waited for the disk or the gateway has stopped."""
        self._file = file
        self._is_required = is_required
        self._clock = clock
        self._waiting: deque[bytes] = deque()
        self._changed = anyio.Event()
        self._is_failing = False

    def record(self, event: AuditEvent | str, caller: Caller, *, actor: str | None = None, **facts: str) -> None:
        """Record what a caller has done.

        Args:
            event: what.
            caller: whose address and, without an actor, whose name is recorded.
            actor: who, where that is not a key or token: `view_token`.
            facts: on what, and how: ids and names, never a secret or a word that was spoken.
        """
        if self._file is None:
            return
        if len(self._waiting) >= _MAX_WAITING:
            self.lost += 1
            return
        self._waiting.append(audit_line(event, self._clock(), actor or actor_of(caller), caller.address, facts))
        self._notify()

    def check(self) -> None:
        """Check that another request may be admitted.

        Raises:
            Unavailable: the log is required, and is failing or far behind.
        """
        if self._is_required and (self._is_failing or len(self._waiting) >= _MAX_WAITING):
            raise Unavailable("the audit log cannot be written at the moment")

    async def run(self) -> None:
        """Write records until cancelled."""
        assert self._file is not None, "else there is nothing to write"
        while True:
            while not self._waiting:
                await self._changed.wait()
            batch = [self._waiting[number] for number in range(min(len(self._waiting), _MAX_BATCH))]
            try:
                written = await to_thread.run_sync(self._file.append, batch, abandon_on_cancel=True)
            except OSError as error:
                self._fail(error)
                await anyio.sleep(_RETRY_S)
                continue
            self._is_failing = False
            self.written += written
            for _ in range(written):
                self._waiting.popleft()
            self._notify()

    async def flushed(self) -> None:
        """Wait until all records are written."""
        while self._waiting:
            await self._changed.wait()

    def give_up(self) -> None:
        """Count the records that still wait as lost."""
        if self._waiting:
            logger.error("audit records are lost records=%d", len(self._waiting))
        self.lost += len(self._waiting)
        self._waiting.clear()

    def _fail(self, error: OSError) -> None:
        self.failures += 1
        if not self._is_failing:
            consequence = "requests are refused" if self._is_required else "records wait in memory"
            logger.error("the audit log cannot be written, %s: %s", consequence, error.strerror or error)
        self._is_failing = True

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


@asynccontextmanager
async def open_audit_log(settings: AuditSettings) -> AsyncIterator[AuditLog]:
    """Write the audit log, if the settings have one, while the block lasts.

    Raises:
        ConfigurationError: the file cannot be opened, or is required and has no path.
    """
    if settings.path is None:
        if settings.required:
            raise ConfigurationError("audit.required is true, but audit.path is not set")
        yield AuditLog(None)
        return
    file = AuditFile(settings.path)
    try:
        await to_thread.run_sync(file.check)
    except OSError as error:
        raise ConfigurationError(f"audit.path = '{settings.path}': {error.strerror or error}") from error
    log = AuditLog(file, is_required=settings.required)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log.run)
        try:
            yield log
        finally:
            with anyio.move_on_after(_LAST_WRITE_S, shield=True):
                await log.flushed()
                file.close()  # not while a write may hang: another file could get its descriptor
            log.give_up()
            tasks.cancel_scope.cancel()
