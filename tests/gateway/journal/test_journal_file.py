"""The journal's file: batches, retention and view tokens."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.journal.journal_file import JOURNAL_SCHEMA, JournalFile
from gateway.journal.store import Batch, CaptionEvent, Change, Opening, ViewToken
from gateway.sqlite import Schema, StateDatabase
from tests.events import final, partial_cue, ready

ADA = Opening("a", "native", "ada", 100.0, {"call_id": "CA1"}, "{}", b"digest")
BOB = Opening("b", "twilio", None, 200.0, {})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JournalFile]:
    with closing(JournalFile(tmp_path / "journal.db")) as made:
        yield made


def test_reading_and_deleting_create_no_file(store: JournalFile) -> None:
    assert (store.entries(), store.events("a"), store.find("a"), store.resumable("a")) == ([], [], None, None)
    assert store.delete("a") is False
    assert store.sweep(0.0, 0.0, 0.0, ()) == []
    store.delete_view_tokens("a")
    assert store.caption_events.delete("weekly") is False
    store.caption_events.set_session("weekly", "a")
    store.erase_deleted()
    store.check()
    assert not store.path.exists()


def test_a_batch_opens_sessions_writes_events_and_deletes_superseded_ones(store: JournalFile) -> None:
    store.write(Batch([ADA, BOB], {("a", 1): ready(), ("a", 2): partial_cue(2)}, (), [Change("a", 101.0, "en")]))
    store.write(Batch((), {("a", 3): final(3)}, {("a", 2), ("b", 9)}, [Change("a", 102.0, finals=1)]))
    assert [seq for seq, _ in store.events("a")] == [1, 3]
    assert [seq for seq, _ in store.events("a", after=1)] == [3]
    assert [seq for seq, _ in store.events("a", limit=1)] == [1]
    entry = store.find("a")
    assert entry is not None
    assert (entry.language, entry.finals, entry.touched_s, entry.about) == ("en", 1, 102.0, {"call_id": "CA1"})
    assert [each.session_id for each in store.entries()] == ["a", "b"]


def test_an_incomplete_session_stays_incomplete(store: JournalFile) -> None:
    store.write(Batch([ADA], changes=[Change("a", 101.0, is_complete=False)]))
    store.write(Batch(changes=[Change("a", 102.0)]))
    entry = store.find("a")
    assert entry is not None
    assert not entry.is_complete


def test_only_a_session_with_start_and_token_is_resumable(store: JournalFile) -> None:
    store.write(Batch([ADA, BOB]))
    found = store.resumable("a")
    assert found is not None
    assert (found.start, found.token_digest) == ("{}", b"digest")
    assert store.resumable("b") is None


def test_events_of_a_deleted_session_are_not_written_even_if_its_id_is_used_again(store: JournalFile) -> None:
    store.write(Batch([ADA], {("a", 1): ready()}))
    assert store.delete("a") is True
    store.write(Batch((), {("a", 2): final(2)}))
    assert store.events("a") == []
    store.write(Batch([ADA]))
    assert store.events("a") == []


def test_a_sweep_interrupts_silent_sessions_of_others_and_returns_those_due(store: JournalFile) -> None:
    openings = [Opening(name, "native", None, 0.0, {}) for name in ("ended", "silent", "own", "live")]
    touched = {"ended": 10.0, "silent": 20.0, "own": 20.0, "live": 90.0}
    changes = [Change(name, touched_s) for name, touched_s in touched.items()]
    store.write(Batch(openings, changes=changes))
    store.write(Batch(changes=[Change("ended", 10.0, ended_s=10.0, outcome="finished")]))
    assert store.sweep(50.0, 15.0, 100.0, ["own"]) == ["ended"]
    outcomes = {entry.session_id: (entry.outcome, entry.ended_s) for entry in store.entries()}
    assert outcomes == {
        "ended": ("finished", 10.0),
        "silent": ("interrupted", 20.0),
        "own": (None, None),
        "live": (None, None),
    }
    assert store.sweep(50.0, None, 100.0, ["own"]) == [], "without a retention nothing is due"


def test_view_tokens_expire_and_go_with_their_session(store: JournalFile) -> None:
    store.write(Batch([ADA]))
    token = ViewToken("a", "ada", 100.0)
    store.add_view_token(b"one", token)
    assert store.view_token(b"one", 99.9) == token
    assert store.view_token(b"one", 100.0) is None
    store.delete("a")
    assert store.view_token(b"one", 0.0) is None
    store.add_view_token(b"two", token)
    store.delete_view_tokens("a")
    assert store.view_token(b"two", 0.0) is None


def test_a_journal_of_an_earlier_version_is_migrated_with_its_sessions(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old = StateDatabase(path, (Schema("journal", JOURNAL_SCHEMA.steps[:2]),))
    insert = "INSERT INTO sessions (session_id, dialect, about, opened_s, touched_s) VALUES ('a', 'native', '{}', 1, 2)"
    old.write(lambda connection: connection.execute(insert))
    old.close()
    with closing(JournalFile(path)) as store:
        entry = store.find("a")
        assert entry is not None
        assert (entry.touched_s, entry.details, entry.event) == (2.0, None, None)
        assert store.caption_events.add(CaptionEvent("weekly", None, None, 3.0))
        assert store.caption_events.all() == [CaptionEvent("weekly", None, None, 3.0)]


def test_the_text_of_a_deleted_session_is_not_in_the_file(store: JournalFile) -> None:
    store.write(Batch([ADA], {("a", 1): ready()}))
    store.texts.set("a", 1, "secret words")
    store.delete("a")
    store.erase_deleted()
    assert b"secret words" not in store.path.read_bytes()
