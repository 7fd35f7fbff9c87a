"""What sessions have said, as it is written down: sessions, their events by number, and tokens to watch them by."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gateway.journal.event_json import event_json
from gateway.settings import JournalSettings
from gateway.sqlite import Schema, StateDatabase, data_path
from gateway.wire import ServerEvent

__all__ = ["Change", "Entry", "EventKey", "JournalStore", "Opening", "Resumable", "ViewToken", "journal_path"]

_Result = TypeVar("_Result")

EventKey = tuple[str, int]
"""Id of a session, and number of one of its events."""

JOURNAL_SCHEMA = Schema(
    "journal",
    (
        (
            """
            CREATE TABLE sessions (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                session_id TEXT NOT NULL UNIQUE,
                dialect TEXT NOT NULL,
                owner TEXT,
                about TEXT NOT NULL,
                start TEXT,
                token_digest BLOB,
                language TEXT,
                opened_s REAL NOT NULL,
                touched_s REAL NOT NULL,
                ended_s REAL,
                outcome TEXT,
                is_complete INTEGER NOT NULL DEFAULT 1,
                finals INTEGER NOT NULL DEFAULT 0
            )
            """,
            """
            CREATE TABLE events (
                session INTEGER NOT NULL,
                seq INTEGER NOT NULL,
                message TEXT NOT NULL,
                PRIMARY KEY (session, seq)
            ) WITHOUT ROWID
            """,
            "CREATE TABLE view_tokens (digest BLOB PRIMARY KEY, session_id TEXT NOT NULL, expires_s REAL NOT NULL)",
            "CREATE INDEX view_tokens_of_session ON view_tokens (session_id)",
        ),
        ("ALTER TABLE view_tokens ADD COLUMN owner TEXT",),
    ),
)
"""A session is found by its number there, which no later one gets: what is written of a deleted one goes nowhere."""

_PRAGMAS = (
    "PRAGMA synchronous = NORMAL",  # in WAL mode a commit outlives the process; a power failure may take the last ones
    "PRAGMA secure_delete = ON",  # who deletes a session does not expect its words in the file
)

_INSERT_SESSION = """
    INSERT OR IGNORE INTO sessions (session_id, dialect, owner, about, start, token_digest, opened_s, touched_s)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

_INSERT_EVENT = """
    INSERT OR REPLACE INTO events SELECT number, ?, ? FROM sessions WHERE session_id = ?
"""

_DELETE_EVENT = """
    DELETE FROM events WHERE seq = ? AND session = (SELECT number FROM sessions WHERE session_id = ?)
"""

_UPDATE_SESSION = """
    UPDATE sessions
    SET touched_s = ?, language = coalesce(?, language), is_complete = is_complete AND ?, finals = finals + ?,
        ended_s = ?, outcome = ?
    WHERE session_id = ?
"""

_SELECT_ENTRIES = """
    SELECT session_id, dialect, owner, about, language, opened_s, touched_s, ended_s, outcome, is_complete, finals
    FROM sessions
"""

_SELECT_RESUMABLE = """
    SELECT start, token_digest FROM sessions
    WHERE session_id = ? AND start IS NOT NULL AND token_digest IS NOT NULL
"""

_INTERRUPT = """
    UPDATE sessions SET ended_s = touched_s, outcome = 'interrupted'
    WHERE ended_s IS NULL AND touched_s < ? AND session_id NOT IN (SELECT value FROM json_each(?))
"""

_ALL = -1
"""To SQLite no limit."""

_SELECT_EVENTS = """
    SELECT seq, message FROM events
    WHERE session = (SELECT number FROM sessions WHERE session_id = ?) AND seq > ? ORDER BY seq LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Opening:
    """What is written down when a session opens.

    Attributes:
        session_id: never used for a second session.
        dialect: of its connection.
        owner: name of the key that opened it; None: it was opened without one.
        opened_s: when, in seconds since 1970.
        about: what else is known of it, such as the number of a call.
        start: JSON of the native start message; None: it cannot be resumed.
        token_digest: SHA-256 of the token that resumes it.
    """

    session_id: str
    dialect: str
    owner: str | None
    opened_s: float
    about: Mapping[str, str]
    start: str | None = None
    token_digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One session as the journal lists it.

    Attributes:
        language: that was asked for.
        touched_s: when something was last written of it, in seconds since 1970.
        ended_s: when it ended; None: it is open, or its gateway was killed not long ago.
        outcome: `finished`, the code of the error that ended it, or `interrupted`.
        is_complete: whether all that was said is there.
        finals: how many of these were written.
    """

    session_id: str
    dialect: str
    owner: str | None
    about: Mapping[str, str]
    language: str | None
    opened_s: float
    touched_s: float
    ended_s: float | None
    outcome: str | None
    is_complete: bool
    finals: int


@dataclass(frozen=True, slots=True)
class ViewToken:
    """What a view token stands for.

    Attributes:
        session_id: that it shows.
        owner: name of the key that made it; None: it was made without one.
        expires_s: in seconds since 1970.
    """

    session_id: str
    owner: str | None
    expires_s: float


@dataclass(frozen=True, slots=True)
class Resumable:
    """What it takes to take a session up again; the rest follows from its events.

    Attributes:
        entry: as the journal lists it.
        start: JSON of its native start message.
        token_digest: SHA-256 of the token that resumes it.
    """

    entry: Entry
    start: str
    token_digest: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """What changes in one session at one time.

    Attributes:
        touched_s: when, in seconds since 1970.
        finals: how many are new.
        ended_s, outcome: None while the session is open.
    """

    session_id: str
    touched_s: float
    language: str | None = None
    is_complete: bool = True
    finals: int = 0
    ended_s: float | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written at once.

    Attributes:
        openings: of sessions that are not written down yet.
        events: to be written, by session and number.
        superseded: events that go; those that are not there do no harm.
        changes: of the sessions concerned.
    """

    openings: Sequence[Opening] = ()
    events: Mapping[EventKey, ServerEvent] = field(default_factory=dict)
    superseded: Iterable[EventKey] = ()
    changes: Sequence[Change] = ()


def journal_path(settings: JournalSettings) -> Path:
    """Return where the journal is, whether or not it is there yet."""
    return settings.database or data_path("journal.db")


class JournalStore:
    """The journal's file. Without it nothing is written down; the first write makes it. All methods block.

    Each raises `StateUnavailable` where the file cannot be read or written.
    Several processes may have it open; one gateway writes it.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = StateDatabase(path, (JOURNAL_SCHEMA,), "journal.database", _PRAGMAS)

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Do in a thread what reads or writes; one such work runs at a time."""
        return await self._database.run(work)

    def check(self) -> None:
        """See that the file, where there is one, can be read, and is still the one that was opened."""
        self._database.check()

    def close(self) -> None:
        """Close the file; what comes next opens it again."""
        self._database.close()

    def write(self, batch: Batch) -> None:
        """Write all of it or nothing. Of sessions that have been deleted nothing is written."""
        openings = [
            (
                o.session_id,
                o.dialect,
                o.owner,
                json.dumps(dict(o.about)),
                o.start,
                o.token_digest,
                o.opened_s,
                o.opened_s,
            )
            for o in batch.openings
        ]
        events = [(seq, event_json(event), session_id) for (session_id, seq), event in batch.events.items()]
        superseded = [(seq, session_id) for session_id, seq in batch.superseded]
        changes = [
            (c.touched_s, c.language, c.is_complete, c.finals, c.ended_s, c.outcome, c.session_id)
            for c in batch.changes
        ]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(_INSERT_SESSION, openings)
            connection.executemany(_INSERT_EVENT, events)
            connection.executemany(_DELETE_EVENT, superseded)
            connection.executemany(_UPDATE_SESSION, changes)

        self._database.write(work)

    def entries(self) -> list[Entry]:
        """Return all sessions, the oldest first."""
        return self._entries("ORDER BY opened_s, number")

    def find(self, session_id: str) -> Entry | None:
        """Return the session of that id."""
        return next(iter(self._entries("WHERE session_id = ?", session_id)), None)

    def events(self, session_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        """Return the numbers and messages of a session's events above a number, oldest first, so many at most."""
        most = _ALL if limit is None else limit
        return self._select(lambda seq, message: (seq, message), _SELECT_EVENTS, session_id, after, most)

    def resumable(self, session_id: str) -> Resumable | None:
        """Return what it takes to take a session up again; None: it cannot be, or is not known."""
        entry = self.find(session_id)
        if entry is None:
            return None
        made = self._select(lambda start, digest: Resumable(entry, start, digest), _SELECT_RESUMABLE, session_id)
        return next(iter(made), None)

    def delete(self, session_id: str) -> bool:
        """Take a session out, with its events and view tokens; return whether it was there."""
        if not self._database.exists():
            return False

        def work(connection: sqlite3.Connection) -> bool:
            numbers = connection.execute("SELECT number FROM sessions WHERE session_id = ?", (session_id,)).fetchall()
            connection.executemany("DELETE FROM events WHERE session = ?", numbers)
            connection.executemany("DELETE FROM sessions WHERE number = ?", numbers)
            connection.execute("DELETE FROM view_tokens WHERE session_id = ?", (session_id,))
            return bool(numbers)

        return self._database.write(work)

    def sweep(self, silent_since_s: float, ended_before_s: float | None, now_s: float, own: Iterable[str]) -> list[str]:
        """Take out view tokens that have expired, and end the sessions that a crash has left open.

        Args:
            silent_since_s: open sessions that nothing has been written of since then are interrupted.
            ended_before_s: the sessions that had ended by then are due for deletion; None: none ever is.
            now_s: in seconds since 1970.
            own: sessions that this process writes; they are left alone.

        Returns:
            The sessions that are due for deletion.
        """
        if not self._database.exists():
            return []

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM view_tokens WHERE expires_s <= ?", (now_s,))
            connection.execute(_INTERRUPT, (silent_since_s, json.dumps(list(own))))

        self._database.write(work)
        if ended_before_s is None:
            return []
        return self._select(str, "SELECT session_id FROM sessions WHERE ended_s < ?", ended_before_s)

    def add_view_token(self, digest: bytes, token: ViewToken) -> None:
        """Let the token of that SHA-256 show a session until it expires."""
        row = (digest, token.session_id, token.expires_s, token.owner)
        insert = "INSERT INTO view_tokens (digest, session_id, expires_s, owner) VALUES (?, ?, ?, ?)"
        self._database.write(lambda connection: connection.execute(insert, row))

    def view_token(self, digest: bytes, now_s: float) -> ViewToken | None:
        """Return what a token stands for; None: it is not known, or has expired."""
        query = "SELECT session_id, owner, expires_s FROM view_tokens WHERE digest = ? AND expires_s > ?"
        return next(iter(self._select(ViewToken, query, digest, now_s)), None)

    def delete_view_tokens(self, session_id: str) -> None:
        """Take out all tokens that show a session."""
        if self._database.exists():
            delete = "DELETE FROM view_tokens WHERE session_id = ?"
            self._database.write(lambda connection: connection.execute(delete, (session_id,)))

    def tidy(self) -> None:
        """Write over what was deleted a moment ago in the log beside the file too, as far as nobody reads it."""
        if self._database.exists():
            self._database.read(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    def _entries(self, which: str, *values: str) -> list[Entry]:
        def work(connection: sqlite3.Connection) -> list[Entry]:
            cursor = connection.execute(f"{_SELECT_ENTRIES} {which}", values)
            names = [name for name, *_ in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
            return [
                Entry(**row | {"about": json.loads(row["about"]), "is_complete": bool(row["is_complete"])})
                for row in rows
            ]

        return self._database.read(work) if self._database.exists() else []

    def _select(self, made: Callable[..., _Result], query: str, *values: str | float | bytes) -> list[_Result]:
        if not self._database.exists():
            return []
        return self._database.read(lambda connection: [made(*row) for row in connection.execute(query, values)])
