"""The journal's SQLite file: sessions, their events by number, and view tokens."""

import json
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from gateway.journal.caption_event_table import CAPTION_EVENTS_STEP, CaptionEventTable
from gateway.journal.details import details_of
from gateway.journal.event_json import details_text, event_json
from gateway.journal.store import Batch, Entry, Resumable, Row, ViewToken
from gateway.journal.text_table import TEXTS_STEP, TextTable
from gateway.settings import JournalSettings
from gateway.sqlite import Schema, StateDatabase, data_path

__all__ = ["JournalFile", "journal_path"]

_Result = TypeVar("_Result")

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
        ("ALTER TABLE sessions ADD COLUMN details TEXT",),
        CAPTION_EVENTS_STEP,
        TEXTS_STEP,
        (
            """
            CREATE TABLE sinks (
                session INTEGER NOT NULL,
                name TEXT NOT NULL,
                position TEXT NOT NULL,
                PRIMARY KEY (session, name)
            ) WITHOUT ROWID
            """,
        ),
    ),
)
"""Events refer to `sessions.number`, which is never reused: writes for a deleted session have no effect."""

_PRAGMAS = (
    "PRAGMA synchronous = NORMAL",  # in WAL mode commits survive the process; a power failure may lose the last ones
    "PRAGMA secure_delete = ON",  # the text of a deleted session must not stay in the file
)

_INSERT_SESSION = """
    INSERT OR IGNORE INTO sessions (session_id, dialect, owner, about, start, token_digest, opened_s, touched_s, event)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
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
        ended_s = ?, outcome = ?, details = coalesce(?, details)
    WHERE session_id = ?
"""

_SELECT_ENTRIES = """
    SELECT session_id, dialect, owner, about, language, opened_s, touched_s, ended_s, outcome, is_complete, finals,
        details, json_extract(start, '$.cues.profile') AS cue_profile, event
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

_SAVE_SINK = """
    INSERT OR REPLACE INTO sinks SELECT number, ?, ? FROM sessions WHERE session_id = ?
"""

_SELECT_SINKS = """
    SELECT name, position FROM sinks WHERE session = (SELECT number FROM sessions WHERE session_id = ?)
"""

_NO_LIMIT = -1
"""SQLite: no limit."""

_SELECT_LAST = """
    SELECT coalesce(max(seq), 0) FROM events WHERE session = (SELECT number FROM sessions WHERE session_id = ?)
"""

_SELECT_EVENTS = """
    SELECT seq, message FROM events
    WHERE session = (SELECT number FROM sessions WHERE session_id = ?) AND seq > ? ORDER BY seq LIMIT ?
"""


def journal_path(settings: JournalSettings) -> Path:
    """Return the path of the journal, which need not exist yet."""
    return settings.database or data_path("journal.db")


class JournalFile:
    """Reads and writes the journal's file, which the first write creates. All methods but `run` block.

    Each raises `StateUnavailable` if the file cannot be read or written.
    Several processes may have the file open; one gateway writes it.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = StateDatabase(path, (JOURNAL_SCHEMA,), "journal.database", _PRAGMAS)
        self.caption_events = CaptionEventTable(self._database)
        """The table of caption events."""
        self.texts = TextTable(self._database)
        """The table of texts."""

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Run blocking work of this file in a thread, one at a time, and return its result."""
        return await self._database.run(work)

    def check(self) -> None:
        """Check that the file, if it exists, can be read, and is still the one that was opened."""
        self._database.check()

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._database.close()

    def write(self, batch: Batch) -> None:
        """Write a batch in one transaction; events of deleted sessions are ignored."""
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
                o.event,
            )
            for o in batch.openings
        ]
        events = [(seq, event_json(event), session_id) for (session_id, seq), event in batch.events.items()]
        superseded = [(seq, session_id) for session_id, seq in batch.superseded]
        changes = [
            (
                c.touched_s,
                c.language,
                c.is_complete,
                c.finals,
                c.ended_s,
                c.outcome,
                details_text(c.details),
                c.session_id,
            )
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
        """Return the session of that id; None: no such session."""
        return next(iter(self._entries("WHERE session_id = ?", session_id)), None)

    def events(self, session_id: str, after: int = 0, limit: int | None = None) -> list[Row]:
        """Return the numbers and messages of a session's events above `after`, oldest first, at most `limit`."""
        max_rows = _NO_LIMIT if limit is None else limit
        return self._select(lambda seq, message: (seq, message), _SELECT_EVENTS, session_id, after, max_rows)

    def last_seq(self, session_id: str) -> int:
        """Return the number of a session's newest event; 0: no event."""
        return next(iter(self._select(int, _SELECT_LAST, session_id)), 0)

    def resumable(self, session_id: str) -> Resumable | None:
        """Return the data needed to resume a session; None: unknown, or not resumable."""
        entry = self.find(session_id)
        if entry is None:
            return None
        found = self._select(lambda start, digest: Resumable(entry, start, digest), _SELECT_RESUMABLE, session_id)
        return next(iter(found), None)

    def delete(self, session_id: str) -> bool:
        """Delete a session with its events and view tokens; return whether it existed."""
        if not self._database.exists():
            return False

        def work(connection: sqlite3.Connection) -> bool:
            numbers = connection.execute("SELECT number FROM sessions WHERE session_id = ?", (session_id,)).fetchall()
            connection.executemany("DELETE FROM events WHERE session = ?", numbers)
            connection.executemany("DELETE FROM texts WHERE session = ?", numbers)
            connection.executemany("DELETE FROM sinks WHERE session = ?", numbers)
            connection.executemany("DELETE FROM sessions WHERE number = ?", numbers)
            connection.execute("DELETE FROM view_tokens WHERE session_id = ?", (session_id,))
            return bool(numbers)

        return self._database.write(work)

    def sweep(self, silent_since_s: float, ended_before_s: float | None, now_s: float, own: Iterable[str]) -> list[str]:
        """Delete expired view tokens, and mark sessions as interrupted that a crash left open.

        Args:
            silent_since_s: open sessions that were last written to before it are interrupted; seconds since 1970.
            ended_before_s: sessions that ended before it are due for deletion; None: no session is.
            now_s: in seconds since 1970.
            own: sessions that this process writes, which are not changed.

        Returns:
            The ids of the sessions due for deletion.
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

    def sink_positions(self, session_id: str) -> dict[str, str]:
        """Return how far the sinks of a session are, by name."""
        return dict(self._select(lambda name, position: (name, position), _SELECT_SINKS, session_id))

    def save_sink_position(self, session_id: str, name: str, position: str) -> None:
        """Keep how far a sink of a session is; ignored if there is no such session."""
        if self._database.exists():
            self._database.write(lambda connection: connection.execute(_SAVE_SINK, (name, position, session_id)))

    def add_view_token(self, digest: bytes, token: ViewToken) -> None:
        """Store the view token of that SHA-256."""
        row = (digest, token.subject, token.expires_s, token.owner)
        insert = "INSERT INTO view_tokens (digest, session_id, expires_s, owner) VALUES (?, ?, ?, ?)"
        self._database.write(lambda connection: connection.execute(insert, row))

    def view_token(self, digest: bytes, now_s: float) -> ViewToken | None:
        """Return the view token of that SHA-256; None: unknown or expired."""
        query = "SELECT session_id, owner, expires_s FROM view_tokens WHERE digest = ? AND expires_s > ?"
        return next(iter(self._select(ViewToken, query, digest, now_s)), None)

    def delete_view_tokens(self, subject: str) -> None:
        """Delete all view tokens of a session, or of a caption event."""
        if self._database.exists():
            delete = "DELETE FROM view_tokens WHERE session_id = ?"
            self._database.write(lambda connection: connection.execute(delete, (subject,)))

    def erase_deleted(self) -> None:
        """Remove deleted content from SQLite's write-ahead log too, unless another connection is reading it."""
        if self._database.exists():
            self._database.read(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    def _entries(self, condition: str, *values: str) -> list[Entry]:
        def work(connection: sqlite3.Connection) -> list[Entry]:
            cursor = connection.execute(f"{_SELECT_ENTRIES} {condition}", values)
            names = [name for name, *_ in cursor.description]
            return [_entry(dict(zip(names, row, strict=True))) for row in cursor]

        return self._database.read(work) if self._database.exists() else []

    def _select(self, build: Callable[..., _Result], query: str, *values: str | float | bytes) -> list[_Result]:
        if not self._database.exists():
            return []
        return self._database.read(lambda connection: [build(*row) for row in connection.execute(query, values)])


def _entry(row: dict[str, Any]) -> Entry:  # values have the type of their column
    about, is_complete = json.loads(row["about"]), bool(row["is_complete"])
    return Entry(**row | {"about": about, "is_complete": is_complete, "details": details_of(row["details"])})
