"""A lock file beside the journal, which ensures that one gateway writes it, and names that gateway."""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway.errors import ConfigurationError

__all__ = ["owned"]

logger = logging.getLogger("livecue.journal")

_MAX_OWNER_BYTES = 200


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Hold the lock of a journal while the block lasts. The system releases the lock of a killed process.

    If no lock file can be created, the journal cannot be written either; that is logged, and captions continue.

    Args:
        path: of the journal, which need not exist.

    Raises:
        ConfigurationError: another gateway holds the lock; the message names it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)  # not inherited, PEP 446
    except OSError as error:
        logger.warning("journal cannot be locked file=%s: %s", path, error.strerror or error)
        yield
        return
    try:
        _acquire(lock, path)
        yield
    finally:
        os.close(lock)  # releases the lock; the file stays, since another process may have it open


def _acquire(lock: int, path: Path) -> None:
    if sys.platform == "win32":
        return  # its locks are mandatory: no other process could read who holds one
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(lock, _MAX_OWNER_BYTES, 0).decode(errors="replace").strip() or "another gateway"
        raise ConfigurationError(
            f"journal.database = {str(path)!r}: in use by {owner}: stop that gateway, or set another file"
        ) from error
    except OSError as error:  # network file systems may not support locks
        logger.warning("journal cannot be locked file=%s: %s", path, error.strerror or error)
        return
    os.ftruncate(lock, 0)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    os.pwrite(lock, f"the gateway with process id {os.getpid()} on {socket.gethostname()} since {now}\n".encode(), 0)
