"""Opens the store of the journal that the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.journal.journal_file import JournalFile, journal_path
from gateway.journal.owner_lock import owned
from gateway.journal.sqlite_store import SqliteStore
from gateway.journal.store import JournalStore
from gateway.settings import JournalSettings

__all__ = ["make_store", "owned_store", "store_name"]


def make_store(settings: JournalSettings) -> JournalStore:
    """Return the store, which connects when it is first used.

    Raises:
        ConfigurationError: the settings contradict each other, or the extra `redis` is not installed.
    """
    if settings.url is None:
        return SqliteStore(JournalFile(journal_path(settings)))
    if settings.record:
        raise ConfigurationError("journal.record: not with journal.url, whose gateways have no folder in common")
    if settings.database is not None:
        raise ConfigurationError("journal.database: not with journal.url: expected one of the two")
    if find_spec("redis") is None:
        raise ConfigurationError("journal.url: needs the extra 'redis': pip install 'livecue[redis]'")
    from gateway.journal.redis_store import RedisStore

    return RedisStore(settings)


@contextmanager
def owned_store(settings: JournalSettings) -> Iterator[JournalStore]:
    """Return the store for a gateway while the block lasts; a file belongs to one gateway at a time.

    Raises:
        ConfigurationError: by `make_store`; or another gateway uses the file.
    """
    store = make_store(settings)
    is_locked = settings.enabled and settings.url is None
    with owned(journal_path(settings)) if is_locked else nullcontext():
        yield store


def store_name(settings: JournalSettings) -> str | Path:
    """Return what the log calls the store."""
    return journal_path(settings) if settings.url is None else "redis"
