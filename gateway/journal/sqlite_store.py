"""The journal in a SQLite file of its own gateway: its blocking calls run in a thread, one at a time."""

from collections.abc import Iterable, Mapping, Sequence

import anyio

from gateway.journal.journal_file import JournalFile
from gateway.journal.recording import delete_recordings, recordings_folder
from gateway.journal.store import Batch, CaptionEvent, Entry, Resumable, Row, ViewToken, event_subject

__all__ = ["SqliteStore"]

_BATCH_DELAY_S = 1.0
"""A crash loses no more of what is not urgent. Many partial cues are superseded by then."""


class SqliteStore:
    """A `JournalStore` in a file, with the recordings beside it.

    Args:
        file: of the journal; one gateway writes it.
    """

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    @property
    def is_shared(self) -> bool:
        """Return False: one gateway uses it."""
        return False

    @property
    def is_owner(self) -> bool:
        """Return True: no other gateway writes it."""
        return True

    @property
    def batch_delay_s(self) -> float:
        """How long events that are not urgent wait for others."""
        return _BATCH_DELAY_S

    async def check(self) -> frozenset[str]:
        """Check that the file, if it exists, can be read, and is still the one that was opened."""
        await self._file.run(self._file.check)
        return frozenset()

    async def aclose(self) -> None:
        """Close the file; the next call opens it again."""
        await self._file.run(self._file.close)

    async def write(self, batch: Batch) -> frozenset[str]:
        """Write a batch in one transaction; events of deleted sessions are ignored."""
        await self._file.run(lambda: self._file.write(batch))
        return frozenset()

    async def acquire(self, session_id: str) -> bool:
        """Return False: all sessions in it are this gateway's."""
        return False

    async def entries(self) -> list[Entry]:
        """Return all sessions, the oldest first."""
        return await self._file.run(self._file.entries)

    async def find(self, session_id: str) -> Entry | None:
        """Return the session of that id; None: no such session."""
        return await self._file.run(lambda: self._file.find(session_id))

    async def events(self, session_id: str, after: int = 0, limit: int | None = None) -> list[Row]:
        """Return the numbers and messages of a session's events above `after`, oldest first, at most `limit`."""
        return await self._file.run(lambda: self._file.events(session_id, after, limit))

    async def last_seq(self, session_id: str) -> int:
        """Return the number of a session's newest event; 0: no event."""
        return await self._file.run(lambda: self._file.last_seq(session_id))

    async def newer_events(self, session_id: str, after: int, max_wait_s: float) -> list[Row]:
        """Return a session's events above `after`, oldest first; if there are none, look again after `max_wait_s`."""
        if not (rows := await self.events(session_id, after)):
            await anyio.sleep(max_wait_s)
            rows = await self.events(session_id, after)
        return rows

    async def resumable(self, session_id: str) -> Resumable | None:
        """Return the data needed to resume a session; None: unknown, or not resumable."""
        return await self._file.run(lambda: self._file.resumable(session_id))

    async def delete(self, session_id: str) -> bool:
        """Delete a session with its events, view tokens and recordings; return whether it existed."""

        def work() -> bool:
            was_found = self._file.delete(session_id)
            delete_recordings(recordings_folder(self._file.path), session_id)
            self._file.erase_deleted()
            return was_found

        return await self._file.run(work)

    async def sweep(
        self, silent_since_s: float, ended_before_s: float | None, now_s: float, own: Iterable[str]
    ) -> list[str]:
        """Apply the retention to view tokens and sessions, as `JournalStore.sweep` says."""
        return await self._file.run(lambda: self._file.sweep(silent_since_s, ended_before_s, now_s, own))

    async def texts(self, session_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the stored texts of these sessions, without those stored before their newest event."""
        return await self._file.run(lambda: self._file.texts.find(session_ids))

    async def set_text(self, session_id: str, seq: int, text: str) -> None:
        """Store the text of a session; ignore it if the session is deleted."""
        await self._file.run(lambda: self._file.texts.set(session_id, seq, text))

    async def sink_positions(self, session_id: str) -> dict[str, str]:
        """Return how far the sinks of a session are, by name."""
        return await self._file.run(lambda: self._file.sink_positions(session_id))

    async def save_sink_position(self, session_id: str, name: str, position: str) -> None:
        """Keep how far a sink of a session is."""
        await self._file.run(lambda: self._file.save_sink_position(session_id, name, position))

    async def add_view_token(self, digest: bytes, token: ViewToken) -> None:
        """Store the view token of that SHA-256."""
        await self._file.run(lambda: self._file.add_view_token(digest, token))

    async def view_token(self, digest: bytes, now_s: float) -> ViewToken | None:
        """Return the view token of that SHA-256; None: unknown or expired."""
        return await self._file.run(lambda: self._file.view_token(digest, now_s))

    async def delete_view_tokens(self, subject: str) -> None:
        """Delete all view tokens of a session, or of a caption event."""
        await self._file.run(lambda: self._file.delete_view_tokens(subject))

    async def caption_event(self, name: str) -> CaptionEvent | None:
        """Return the caption event of that name; None: no such event."""
        return await self._file.run(lambda: self._file.caption_events.find(name))

    async def caption_events(self) -> list[CaptionEvent]:
        """Return all caption events, the oldest first."""
        return await self._file.run(self._file.caption_events.all)

    async def add_caption_event(self, event: CaptionEvent) -> bool:
        """Add a caption event; return False if its name is taken."""
        return await self._file.run(lambda: self._file.caption_events.add(event))

    async def set_caption_event_title(self, name: str, title: str | None) -> None:
        """Rename a caption event."""
        await self._file.run(lambda: self._file.caption_events.set_title(name, title))

    async def set_caption_event_session(self, name: str, session_id: str) -> None:
        """Set the newest session of a caption event."""
        await self._file.run(lambda: self._file.caption_events.set_session(name, session_id))

    async def delete_caption_event(self, name: str) -> bool:
        """Delete a caption event with its view tokens; return whether it existed."""

        def work() -> bool:
            self._file.delete_view_tokens(event_subject(name))
            return self._file.caption_events.delete(name)

        return await self._file.run(work)
