"""A SQLite file for the state of a gateway. Each part that stores something there brings its own schema."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from platformdirs import user_data_path

from gateway.errors import GatewayError
from gateway.settings import StateSettings

__all__ = ["Schema", "StateDatabase", "StateUnavailable", "StateVanished", "data_path", "state_path"]

_Result = TypeVar("_Result")

_APPLICATION = "livecue"
"""Its folder's name."""

_BUSY_S = 2.0
"""How long to wait for another process's lock; livecue's transactions take milliseconds."""

_RETRY_S = 0.01

_CAUSES = {
    sqlite3.SQLITE_BUSY: f"locked by another process for more than {_BUSY_S:g} s",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore it from a backup",
    sqlite3.SQLITE_FULL: "the disk is full",
}

_MAGIC = b"SQLite format 3\0"
"""The header of every file (SQLite file format §1.3)."""

_PRIMARY_CODE = 0xFF
"""The low byte of SQLite's extended error codes."""


class StateUnavailable(GatewayError):
    """The state database cannot be read or written; the message has the file and the cause."""

    code = "state_unavailable"


class StateVanished(StateUnavailable):
    """The open file was deleted or overwritten, and its content is lost. The next access creates a new one."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one part of livecue.

    Attributes:
        name: of that part; unique in the database.
        steps: groups of SQL statements; each group migrates from one version to the next, and never changes.
    """

    name: str
    steps: tuple[tuple[str, ...], ...]


def state_path(settings: StateSettings) -> Path:
    """Return the path of the state database, which may not exist yet."""
    return settings.database or data_path("state.db")


def data_path(name: str) -> Path:
    """Return where a file of that name is in livecue's folder of the user's data directory.

    Raises:
        StateUnavailable: the user has no home directory.
    """
    former = _former_data_folder() / name
    if os.path.exists(former):
        return former
    try:
        return user_data_path(_APPLICATION, appauthor=False) / name
    except RuntimeError as error:
        raise StateUnavailable(str(error)) from error


def _former_data_folder() -> Path:
    """Return where livecue 0.1 kept its files on every system: on macOS and Windows they stay there once they exist."""
    # XDG base directory specification 0.8: a path that is not absolute is ignored
    data_home = os.environ.get("XDG_DATA_HOME", "")
    folder = data_home if os.path.isabs(data_home) else os.path.expanduser("~/.local/share")
    return Path(folder, _APPLICATION)


class StateDatabase:
    """One connection to an SQLite file, opened when it is first needed.

    `read` and `write` block; on an event loop, call them through `run`. Several processes may have the file open.

    Args:
        path: of the file. The first `write` creates it, readable by its owner only.
        schemas: its tables.
        setting: the setting with the path, for messages.
        pragmas: SQL to run on each new connection.
    """

    def __init__(
        self,
        path: Path,
        schemas: Sequence[Schema],
        setting: str = "state.database",
        pragmas: Sequence[str] = (),
    ) -> None:
        self.path = path
        self._schemas = schemas
        self._setting = setting
        self._pragmas = pragmas
        self._connection: sqlite3.Connection | None = None
        self._file: int | None = None
        """Descriptor of the file that the connection has open. Closing it would release SQLite's own locks (POSIX
        has one set of locks per process and file), so it stays open as long as the connection."""
        self._size_bytes = 0
        """Of the file when it was opened; it never shrinks."""
        self._one_at_a_time = CapacityLimiter(1)

    def exists(self) -> bool:
        """Return whether the file exists.

        Raises:
            StateUnavailable: it cannot be accessed.
        """
        try:
            self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise self._unavailable(error.strerror or str(error)) from error
        return True

    def read(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run queries and return their result.

        Raises:
            StateUnavailable: it cannot be read.
        """
        with self._errors_translated():
            return work(self._open())

    def write(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run statements in one transaction and return their result; the data is on disk when this returns.

        Raises:
            StateUnavailable: it cannot be written.
        """
        with self._errors_translated(), _transaction(self._open()) as connection:
            return work(connection)

    def check(self) -> None:
        """Check that the file, if it exists, can be read, and is still the one that was opened.

        Raises:
            StateVanished: it was replaced or deleted.
            StateUnavailable: it cannot be read.
        """
        if self._connection is not None or self.exists():
            self.read(lambda connection: connection.execute("SELECT count(*) FROM sqlite_master").fetchone())

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Run reads and writes in a thread, one at a time."""
        return await to_thread.run_sync(work, limiter=self._one_at_a_time)

    def close(self) -> None:
        """Close the connection, if it is open; the next `read` or `write` opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and (cause := self._lost()) is not None:
            self.close()  # SQLite would continue to write to an unreachable file
            raise StateVanished(self._message(cause))
        if self._connection is None:
            self._make_file()
            # transactions are explicit; only one thread runs at a time
            connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                _write_ahead(connection)
                for pragma in self._pragmas:
                    connection.execute(pragma)
                with _transaction(connection):
                    self._migrate(connection)
                self._file = os.open(self.path, os.O_RDONLY)  # not inherited, PEP 446
            except OSError as error:
                connection.close()
                raise self._unavailable(error.strerror or str(error)) from error
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._size_bytes = os.fstat(self._file).st_size
        return self._connection

    def _lost(self) -> str | None:
        """Return how the open file was lost; None: it is still there."""
        assert self._file is not None, "opened with the connection"
        try:
            named = self.path.stat()
            os.lseek(self._file, 0, os.SEEK_SET)
            opened, magic = os.fstat(self._file), os.read(self._file, len(_MAGIC))
        except FileNotFoundError:
            return "it was deleted while it was open"
        except OSError as error:
            return error.strerror or str(error)
        if not os.path.samestat(named, opened):
            return "it was replaced while it was open"
        if opened.st_size < self._size_bytes or (magic and magic != _MAGIC):
            return "it was overwritten while it was open"
        return None

    def _make_file(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise self._unavailable(error.strerror or str(error)) from error

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS migrations (part TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        versions = dict(connection.execute("SELECT part, version FROM migrations"))
        for schema in self._schemas:
            version, newest = versions.get(schema.name, 0), len(schema.steps)
            if version > newest:
                raise self._unavailable(
                    f"schema {schema.name} has version {version}, newer than {newest} of this livecue: update livecue"
                )
            for step in schema.steps[version:]:
                for statement in step:
                    connection.execute(statement)
            connection.execute("INSERT OR REPLACE INTO migrations VALUES (?, ?)", (schema.name, newest))

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:  # for the caller, which knows its tables
            raise
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            cause = None if code is None else _CAUSES.get(code & _PRIMARY_CODE)
            raise self._unavailable(cause or str(error)) from error

    def _unavailable(self, cause: str) -> StateUnavailable:
        return StateUnavailable(self._message(cause))

    def _message(self, cause: str) -> str:
        return f"{self._setting} = {str(self.path)!r}: {cause}"


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Set WAL mode, in which readers and the writer do not wait for each other."""
    until_s = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            # when two open a new file at once, SQLite fails one without waiting
            if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY or time.monotonic() > until_s:
                raise
        time.sleep(_RETRY_S)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")  # takes the write lock now, so that no later statement fails on it
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
