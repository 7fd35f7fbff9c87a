"""The table of caption events in the journal's SQLite file."""

from gateway.journal.store import CaptionEvent
from gateway.sqlite import StateDatabase

__all__ = ["CAPTION_EVENTS_STEP", "CaptionEventTable"]

CAPTION_EVENTS_STEP = (
    """
    CREATE TABLE caption_events (
        name TEXT PRIMARY KEY,
        owner TEXT,
        title TEXT,
        created_s REAL NOT NULL,
        session_id TEXT
    )
    """,
    "ALTER TABLE sessions ADD COLUMN event TEXT",
)
"""A step of the journal's schema."""

_SELECT = "SELECT name, owner, title, created_s, session_id FROM caption_events"


class CaptionEventTable:
    """Reads and writes caption events. All methods block, and raise `StateUnavailable` as those of `JournalFile`.

    Args:
        database: of the journal.
    """

    def __init__(self, database: StateDatabase) -> None:
        self._database = database

    def find(self, name: str) -> CaptionEvent | None:
        """Return the event of that name; None: no such event."""
        return next(iter(self._select(f"{_SELECT} WHERE name = ?", name)), None)

    def all(self) -> list[CaptionEvent]:
        """Return all events, the oldest first."""
        return self._select(f"{_SELECT} ORDER BY created_s, name")

    def add(self, event: CaptionEvent) -> bool:
        """Add an event; return False if its name is taken."""
        row = event.name, event.owner, event.title, event.created_s, event.session_id
        insert = "INSERT OR IGNORE INTO caption_events VALUES (?, ?, ?, ?, ?)"
        return self._database.write(lambda connection: connection.execute(insert, row).rowcount > 0)

    def set_title(self, name: str, title: str | None) -> None:
        """Rename an event."""
        self._change("UPDATE caption_events SET title = ? WHERE name = ?", title, name)

    def set_session(self, name: str, session_id: str) -> None:
        """Set the newest session of an event."""
        self._change("UPDATE caption_events SET session_id = ? WHERE name = ?", session_id, name)

    def delete(self, name: str) -> bool:
        """Delete an event; return whether it existed."""
        return self._change("DELETE FROM caption_events WHERE name = ?", name)

    def _select(self, query: str, *values: str) -> list[CaptionEvent]:
        if not self._database.exists():
            return []
        return self._database.read(lambda connection: [CaptionEvent(*row) for row in connection.execute(query, values)])

    def _change(self, statement: str, *values: str | None) -> bool:
        """Run a statement if there is a file, and return whether it has changed a row."""
        if not self._database.exists():
            return False
        return self._database.write(lambda connection: connection.execute(statement, values).rowcount > 0)
