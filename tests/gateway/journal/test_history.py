"""The search makes the text of each past session once, and anew after a change, within limits."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.journal.history import search
from gateway.journal.journal_file import JournalFile
from gateway.journal.sqlite_store import SqliteStore
from gateway.journal.store import Batch, Change, Entry, Opening
from gateway.journal.text_search import Query
from gateway.wire import Correction, Details, ServerEvent
from tests.events import final, ready


class CountingStore(SqliteStore):
    """Counts the sessions whose events are read."""

    reads = 0

    async def events(self, session_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        self.reads += 1
        return await super().events(session_id, after, limit)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CountingStore]:
    made = CountingStore(JournalFile(tmp_path / "journal.db"))
    yield made
    await made.aclose()


async def keep(store: CountingStore, name: str, *events: ServerEvent, title: str | None = None) -> None:
    keyed = {(name, seq): event for seq, event in enumerate(events, start=1)}
    change = Change(name, 2.0, ended_s=2.0, outcome="finished", details=None if title is None else Details(1, title))
    await store.write(Batch([Opening(name, "native", None, 1.0, {})], keyed, (), [change]))


async def found(store: CountingStore, words: str, limit: int = 10) -> tuple[list[tuple[str, str]], int]:
    entries: list[Entry] = list(reversed(await store.entries()))
    result = await search(store, entries, Query.of(words), limit)
    return [(hit.entry.session_id, hit.excerpt) for hit in result.hits], result.searched


async def test_sessions_are_found_by_text_and_title_and_read_once(store: CountingStore) -> None:
    await keep(store, "a", ready(), final(2, 1))
    await keep(store, "b", ready(), final(2, 2), title="Words 1")
    await keep(store, "empty")
    assert await found(store, "words 1") == ([("b", "words 2"), ("a", "words 1")], 3)
    assert store.reads == 3
    assert await found(store, "words 2") == ([("b", "words 2")], 3)
    assert store.reads == 3


async def test_a_corrected_session_is_found_by_its_new_text(store: CountingStore) -> None:
    await keep(store, "a", ready(), final(2, 1))
    assert await found(store, "words") == ([("a", "words 1")], 1)
    await store.write(Batch((), {("a", 3): Correction(3, 1, 1, "apples", ())}))
    assert await found(store, "words") == ([], 1)
    assert await found(store, "apples") == ([("a", "apples")], 1)


async def test_a_search_ends_at_its_limits_and_says_how_far_it_came(
    store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.history._CHUNK", 2)
    monkeypatch.setattr("gateway.journal.history.MAX_NEW_TEXTS", 3)
    for name in "abcdef":
        await keep(store, name, ready(), final(2, 1))
    assert await found(store, "absent") == ([], 3)
    assert await found(store, "words", limit=4) == ([(name, "words 1") for name in "fedc"], 4)
    assert await found(store, "absent") == ([], 6)
    monkeypatch.setattr("gateway.journal.history.MAX_SEARCHED", 4)
    assert await found(store, "absent") == ([], 4)
