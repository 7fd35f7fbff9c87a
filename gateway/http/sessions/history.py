"""Pages of the list of sessions, and the search in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from anyio import CapacityLimiter

from gateway.http.sessions.directory import SessionRecord, journal_errors_hidden
from gateway.journal.history import search
from gateway.journal.journal import Journal
from gateway.journal.text_search import Query

__all__ = ["Page", "SessionHistory"]

_DEFAULT_HITS = 50
"""More than anybody reads at once."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list of sessions.

    Attributes:
        rows: sessions and, in a search, where their texts have the words; the oldest first.
        more_before: for the next page: the sessions opened before it, in seconds since 1970; None: there are no more.
    """

    rows: Sequence[tuple[SessionRecord, str | None]]
    more_before: float | None


class SessionHistory:
    """Divides the list of sessions into pages, and searches it; one search at a time, since each takes CPU time.

    Args:
        journal: has past sessions; None: there are none.
    """

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._one_at_a_time = CapacityLimiter(1)

    async def page(self, records: Sequence[SessionRecord], words: str, limit: int | None) -> Page:
        """Return the newest of these sessions.

        Args:
            records: the oldest first.
            words: only past sessions that have them all; empty: any session.
            limit: of sessions; None: as many as there are, or the default of a search.

        Raises:
            Unavailable: the journal cannot be read.
        """
        query = Query.of(words)
        if query.words:
            return await self._found(records, query, limit or _DEFAULT_HITS)
        kept = records if limit is None else records[-limit:]
        more_before = kept[0].opened_s if len(kept) < len(records) else None
        return Page([(record, None) for record in kept], more_before)

    async def _found(self, records: Sequence[SessionRecord], query: Query, limit: int) -> Page:
        past = {record.session_id: record for record in reversed(records) if record.is_over}
        entries = [record.entry for record in past.values() if record.entry is not None]
        if self._journal is None or not entries:
            return Page([], None)
        async with self._one_at_a_time:
            with journal_errors_hidden():
                found = await search(self._journal.store, entries, query, limit)
        rows = [(past[hit.entry.session_id], hit.excerpt) for hit in reversed(found.hits)]
        has_more = found.searched < len(entries)
        return Page(rows, entries[found.searched - 1].opened_s if has_more else None)
