"""What every store of the journal does: batches, reads, retention and view tokens."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.journal.amendment import amendment
from gateway.journal.open_store import make_store
from gateway.journal.store import (
    Batch,
    CaptionEvent,
    Change,
    Entry,
    EventKey,
    JournalStore,
    Opening,
    ViewToken,
    event_subject,
)
from gateway.settings import JournalSettings
from gateway.wire import ChannelName, Details, ServerEvent
from tests.events import correction, final, partial_cue, ready
from tests.redis_servers import RedisServer, redis_server

ADA = Opening("a", "native", "ada", 100.0, {"call_id": "CA1"}, "{}", b"\x00digest\xff")
BOB = Opening("b", "twilio", None, 200.0, {})


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis"), is_cluster=True) as server:
        yield server


@pytest.fixture(params=["sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JournalStore]:
    settings = JournalSettings(database=tmp_path / "journal.db")
    if request.param == "redis":
        settings = request.getfixturevalue("redis").settings()
    made = make_store(settings)
    yield made
    await made.aclose()


async def seqs(store: JournalStore, session_id: str = "a", after: int = 0, limit: int | None = None) -> list[int]:
    return [seq for seq, _ in await store.events(session_id, after, limit)]


async def found(store: JournalStore, session_id: str = "a") -> Entry:
    entry = await store.find(session_id)
    assert entry is not None
    return entry


async def test_an_empty_store_has_nothing(store: JournalStore) -> None:
    assert (await store.entries(), await store.events("a"), await store.find("a")) == ([], [], None)
    assert await store.resumable("a") is None
    assert await store.delete("a") is False
    assert await store.sweep(0.0, 0.0, 0.0, ()) == []
    await store.delete_view_tokens("a")
    await store.check()


async def test_a_batch_opens_sessions_writes_events_and_deletes_superseded_ones(store: JournalStore) -> None:
    await store.write(Batch([ADA, BOB], {("a", 1): ready(), ("a", 2): partial_cue(2)}, (), [Change("a", 101.0, "en")]))
    await store.write(Batch((), {("a", 3): final(3)}, {("a", 2), ("b", 9)}, [Change("a", 102.0, finals=1)]))
    assert await seqs(store) == [1, 3]
    assert await seqs(store, after=1) == [3]
    assert await seqs(store, limit=1) == [1]
    expected = Entry("a", "native", "ada", {"call_id": "CA1"}, "en", 100.0, 102.0, None, None, True, 1)
    assert await found(store) == expected
    others = Entry("b", "twilio", None, {}, None, 200.0, 200.0, None, None, True, 0)
    assert await store.entries() == [expected, others]


async def test_a_batch_that_is_written_again_changes_nothing(store: JournalStore) -> None:
    """The connection may be lost after the store has written and before it has said so."""
    batch = Batch([ADA], {("a", 1): ready(), ("a", 2): final(2)}, (), [Change("a", 101.0)])
    await store.write(batch)
    before = await store.events("a")
    await store.write(batch)
    assert await store.events("a") == before


async def test_an_incomplete_session_stays_incomplete(store: JournalStore) -> None:
    await store.write(Batch([ADA], changes=[Change("a", 101.0, is_complete=False)]))
    await store.write(Batch(changes=[Change("a", 102.0)]))
    assert not (await found(store)).is_complete


async def test_the_end_of_a_session_is_kept(store: JournalStore) -> None:
    await store.write(Batch([ADA], changes=[Change("a", 101.0, "en", ended_s=102.5, outcome="finished")]))
    entry = await found(store)
    assert (entry.ended_s, entry.outcome) == (102.5, "finished")


async def test_the_newest_details_of_a_session_are_kept(store: JournalStore) -> None:
    first, second = Details(2, "Council", (ChannelName(1, "Ann", "#1f6feb"),)), Details(3, None)
    await store.write(Batch([ADA], {("a", 2): first}, (), [Change("a", 101.0, details=first)]))
    await store.write(Batch(changes=[Change("a", 102.0)]))
    assert (await found(store)).details == first
    await store.write(Batch((), {("a", 3): second}, {("a", 2)}, [Change("a", 103.0, details=second)]))
    assert (await found(store)).details == second


async def test_what_is_added_to_a_session_that_has_ended_leaves_its_end_as_it_was(store: JournalStore) -> None:
    events: dict[EventKey, ServerEvent] = {("a", 1): ready(), ("a", 2): final(2), ("a", 3): correction(3)}
    await store.write(Batch([ADA], events, (), [Change("a", 101.0, "en", finals=1, ended_s=102.5, outcome="finished")]))
    await store.acquire("a")
    assert await store.write(amendment(await found(store), correction(4), (3,), 200.0)) == frozenset()
    assert await seqs(store) == [1, 2, 4]
    expected = Entry("a", "native", "ada", {"call_id": "CA1"}, "en", 100.0, 200.0, 102.5, "finished", True, 1)
    assert await found(store) == expected


@pytest.mark.parametrize(
    ("start", "profile"),
    [
        (None, None),
        ('{"type":"start"}', None),
        ('{"type":"start","cues":{"profile":"teams"}}', "teams"),
        ('{"type":"start","a_newer_field":1,"cues":{"profile":"608"}}', "608"),
    ],
)
async def test_a_session_has_the_cue_profile_that_its_client_requested(
    store: JournalStore, start: str | None, profile: str | None
) -> None:
    await store.write(Batch([Opening("a", "native", None, 0.0, {}, start)]))
    assert (await found(store)).cue_profile == profile
    assert await store.resumable("a") is None


async def test_only_a_session_with_start_and_token_is_resumable(store: JournalStore) -> None:
    await store.write(Batch([ADA, BOB]))
    resumable = await store.resumable("a")
    assert resumable is not None
    assert (resumable.start, resumable.token_digest) == ("{}", b"\x00digest\xff")
    assert resumable.entry == await found(store)
    assert await store.resumable("b") is None


async def test_events_of_a_deleted_session_are_not_written_even_if_its_id_is_used_again(store: JournalStore) -> None:
    await store.write(Batch([ADA], {("a", 1): ready()}))
    assert await store.delete("a") is True
    await store.write(Batch((), {("a", 2): final(2)}, (), [Change("a", 101.0)]))
    assert await store.events("a") == []
    assert await store.entries() == []
    await store.write(Batch([ADA]))
    assert await store.events("a") == []


async def test_a_sweep_interrupts_silent_sessions_and_returns_those_due(store: JournalStore) -> None:
    openings = [Opening(name, "native", None, 0.0, {}) for name in ("ended", "own", "live")]
    touched = {"ended": 10.0, "own": 20.0, "live": 90.0}
    await store.write(Batch(openings, changes=[Change(name, touched_s) for name, touched_s in touched.items()]))
    await store.write(Batch(changes=[Change("ended", 10.0, ended_s=10.0, outcome="finished")]))
    assert await store.sweep(50.0, 15.0, 100.0, ["own"]) == ["ended"]
    outcomes = {entry.session_id: (entry.outcome, entry.ended_s) for entry in await store.entries()}
    assert outcomes == {"ended": ("finished", 10.0), "own": (None, None), "live": (None, None)}
    assert await store.sweep(50.0, None, 100.0, ["own"]) == [], "without a retention nothing is due"
    assert await store.sweep(50.0, 5.0, 100.0, ["own"]) == [], "nothing has ended before"


async def test_view_tokens_expire_and_go_with_their_session(store: JournalStore) -> None:
    await store.write(Batch([ADA]))
    for digest, expires_s in ((b"one", 4e9), (b"short", 3e9)):
        await store.add_view_token(digest, ViewToken("a", "ada", expires_s))
    assert await store.view_token(b"one", 3e9) == ViewToken("a", "ada", 4e9)
    assert await store.view_token(b"short", 3e9) is None
    await store.delete("a")
    assert await store.view_token(b"one", 0.0) is None
    await store.add_view_token(b"two", ViewToken("a", None, 4e9))
    assert await store.view_token(b"two", 0.0) == ViewToken("a", None, 4e9)
    await store.delete_view_tokens("a")
    assert await store.view_token(b"two", 0.0) is None


async def test_caption_events_are_added_once_changed_and_deleted_with_their_tokens(store: JournalStore) -> None:
    assert (await store.caption_events(), await store.caption_event("weekly")) == ([], None)
    weekly, daily = CaptionEvent("weekly", "ada", "Sunday", 100.5), CaptionEvent("daily", None, None, 50.0)
    assert [await store.add_caption_event(event) for event in (weekly, daily)] == [True, True]
    assert not await store.add_caption_event(replace(weekly, owner="bob", title="mine"))
    assert await store.caption_events() == [daily, weekly]
    await store.set_caption_event_title("weekly", None)
    await store.set_caption_event_session("weekly", "a")
    assert await store.caption_event("weekly") == CaptionEvent("weekly", "ada", None, 100.5, "a")
    await store.add_view_token(b"one", ViewToken(event_subject("weekly"), "ada", 4e9))
    assert await store.delete_caption_event("weekly")
    assert not await store.delete_caption_event("weekly")
    assert await store.caption_events() == [daily]
    assert await store.view_token(b"one", 0.0) is None


async def test_a_deleted_caption_event_is_not_brought_back_by_a_change(store: JournalStore) -> None:
    await store.set_caption_event_title("gone", "title")
    await store.set_caption_event_session("gone", "a")
    assert await store.caption_event("gone") is None


async def test_a_text_is_stored_until_an_event_is_newer_or_the_session_is_deleted(store: JournalStore) -> None:
    assert await store.texts(["a"]) == {}
    await store.write(Batch([ADA, BOB], {("a", 1): ready(), ("a", 2): final(2)}))
    for session_id, seq, text in (("a", 2, "wörds 1"), ("b", 0, ""), ("gone", 0, "x")):
        await store.set_text(session_id, seq, text)
    assert await store.texts(["a", "b", "gone"]) == {"a": "wörds 1", "b": ""}
    assert await store.texts([]) == {}
    await store.write(Batch((), {("a", 3): final(3)}))
    assert await store.texts(["a"]) == {}
    await store.set_text("a", 3, "newer")
    assert await store.texts(["a"]) == {"a": "newer"}
    await store.delete("a")
    await store.set_text("a", 3, "of a deleted session")
    await store.write(Batch([ADA], {("a", 3): ready(3)}))
    assert await store.texts(["a"]) == {}


async def test_a_session_keeps_its_caption_event(store: JournalStore) -> None:
    await store.write(Batch([replace(ADA, event="weekly"), BOB]))
    assert [entry.event for entry in await store.entries()] == ["weekly", None]


async def test_positions_of_sinks_are_kept_with_their_session(store: JournalStore) -> None:
    assert await store.sink_positions("a") == {}
    await store.save_sink_position("a", "zoom", "early")
    await store.write(Batch([ADA, BOB]))
    assert await store.sink_positions("a") == {}, "there was no session"
    await store.save_sink_position("a", "zoom", "1")
    await store.save_sink_position("a", "hook", "2")
    await store.save_sink_position("a", "zoom", "3")
    assert await store.sink_positions("a") == {"zoom": "3", "hook": "2"}
    assert await store.sink_positions("b") == {}
    await store.delete("a")
    await store.write(Batch([ADA]))
    assert await store.sink_positions("a") == {}


async def test_newer_events_are_waited_for(store: JournalStore) -> None:
    await store.write(Batch([ADA], {("a", 1): ready()}))
    assert [seq for seq, _ in await store.newer_events("a", 0, 10.0)] == [1]
    assert await store.newer_events("a", 1, 0.001) == []


async def test_what_no_other_gateway_has_taken_over_stays_its_own(store: JournalStore) -> None:
    await store.check()
    assert store.is_owner
    assert await store.write(Batch([ADA], {("a", 1): ready()})) == frozenset()
    assert await store.check() == frozenset()
    await store.acquire("a")
    assert await store.write(Batch((), {("a", 2): final(2)})) == frozenset()
    assert await seqs(store) == [1, 2]
