"""Searches the texts of past sessions.

The text of a session is made from its events when it is first searched, and stored with the number of its newest
event: a correction after that makes it out of date. So journals of earlier versions can be searched, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from anyio import to_thread

from gateway.journal.session_text import session_text
from gateway.journal.store import Entry, JournalStore
from gateway.journal.text_search import Query

__all__ = ["History", "Hit", "search"]

_CHUNK = 50
"""Sessions whose texts are read at once: 2 MB for an hour of speech each."""

MAX_NEW_TEXTS = 100
"""Texts made by one search: an hour of speech takes some tens of milliseconds."""

MAX_SEARCHED = 2_000
"""Sessions that one search looks at: a second for an hour of speech each."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A session that has all words of a query, and where."""

    entry: Entry
    excerpt: str


@dataclass(frozen=True, slots=True)
class History:
    """The result of a search.

    Attributes:
        hits: the newest first.
        searched: number of sessions that were looked at; the rest is for another search.
    """

    hits: tuple[Hit, ...]
    searched: int


async def search(store: JournalStore, entries: Sequence[Entry], query: Query, limit: int) -> History:
    """Return the sessions whose title and text have all words of a query.

    Args:
        store: has the sessions.
        entries: of past sessions, in the order in which they are looked at.
        query: the words.
        limit: end after so many hits.

    Raises:
        StateUnavailable: the store cannot be read or written.
    """
    hits: list[Hit] = []
    left, searched = MAX_NEW_TEXTS, 0
    for begin in range(0, min(len(entries), MAX_SEARCHED), _CHUNK):
        chunk = entries[begin : begin + _CHUNK]
        texts = dict(await store.texts([entry.session_id for entry in chunk]))
        missing = [entry.session_id for entry in chunk if entry.session_id not in texts]
        for session_id in missing[:left]:
            texts[session_id] = await _make_text(store, session_id)
        left -= len(missing)
        for entry, excerpt in await to_thread.run_sync(_excerpts, chunk, texts, query):
            searched += 1
            if excerpt is not None:
                hits.append(Hit(entry, excerpt))
            if len(hits) == limit:
                return History(tuple(hits), searched)
        if left < 0:
            break
    return History(tuple(hits), searched)


def _excerpts(chunk: Sequence[Entry], texts: Mapping[str, str], query: Query) -> list[tuple[Entry, str | None]]:
    """Return the sessions up to the first without a text, each with its excerpt."""
    known = takewhile(lambda entry: entry.session_id in texts, chunk)
    titled = ((entry, None if entry.details is None else entry.details.title) for entry in known)
    return [(entry, query.excerpt(title, texts[entry.session_id])) for entry, title in titled]


async def _make_text(store: JournalStore, session_id: str) -> str:
    rows = await store.events(session_id)
    text = await to_thread.run_sync(session_text, [message for _, message in rows])
    await store.set_text(session_id, rows[-1][0] if rows else 0, text)
    return text
