"""One journal has one gateway that writes it: a lock beside the file, which names whoever holds it."""

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
    """Own a journal while the block lasts. The system releases the lock of a process that is killed.

    Where no lock can be made, nothing can be written either: that is logged, and captions go on.

    Args:
        path: of the journal, whether or not it is there.

    Raises:
        ConfigurationError: another gateway owns it; the message says which.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)  # not inherited, PEP 446
    except OSError as error:
        logger.warning("the journal cannot be locked file=%s: %s", path, error.strerror or error)
        yield
        return
    try:
        _take(lock, path)
        yield
    finally:
        os.close(lock)  # and the lock with it; the file stays, for another may have it open already


def _take(lock: int, path: Path) -> None:
    if sys.platform == "win32":
        return  # its locks keep others from reading who holds them
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(lock, _MAX_OWNER_BYTES, 0).decode(errors="replace").strip() or "another gateway"
        raise ConfigurationError(
            f"journal.database = {str(path)!r}: it belongs to {owner}, and a journal has one gateway: stop that one, "
            "or give each a file of its own"
        ) from error
    except OSError as error:  # file systems of a network need not know locks
        logger.warning("the journal cannot be locked file=%s: %s", path, error.strerror or error)
        return
    os.ftruncate(lock, 0)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    os.pwrite(lock, f"the gateway with process id {os.getpid()} on {socket.gethostname()} since {now}\n".encode(), 0)
