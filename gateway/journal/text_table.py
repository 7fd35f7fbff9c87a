"""The table of the texts of sessions in the journal's SQLite file."""

import json
from collections.abc import Mapping, Sequence

from gateway.sqlite import StateDatabase

__all__ = ["TEXTS_STEP", "TextTable"]

TEXTS_STEP = ("CREATE TABLE texts (session INTEGER PRIMARY KEY, seq INTEGER NOT NULL, text TEXT NOT NULL)",)
"""A step of the journal's schema. Texts refer to `sessions.number`, as events do."""

_SELECT = """
    SELECT session_id, text FROM texts JOIN sessions ON number = session
    WHERE session_id IN (SELECT value FROM json_each(?))
        AND texts.seq = (SELECT coalesce(max(events.seq), 0) FROM events WHERE events.session = number)
"""

_INSERT = "INSERT OR REPLACE INTO texts SELECT number, ?, ? FROM sessions WHERE session_id = ?"


class TextTable:
    """Reads and writes texts. All methods block, and raise `StateUnavailable` as those of `JournalFile`.

    Args:
        database: of the journal.
    """

    def __init__(self, database: StateDatabase) -> None:
        self._database = database

    def find(self, session_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the texts of these sessions, without those stored before their newest event."""
        if not self._database.exists():
            return {}
        ids = json.dumps(list(session_ids))
        return self._database.read(lambda connection: dict(connection.execute(_SELECT, (ids,)).fetchall()))

    def set(self, session_id: str, seq: int, text: str) -> None:
        """Store the text of a session, if there is such a session."""
        if self._database.exists():
            self._database.write(lambda connection: connection.execute(_INSERT, (seq, text, session_id)))
