"""Events are recorded before finals are published, and can be read again."""

import stat
from contextlib import closing
from pathlib import Path

import pytest

from gateway.journal.journal import Entry, Opening, open_journal
from gateway.journal.journal_file import JournalFile
from gateway.journal.recording import recordings_folder
from gateway.journal.store import ViewToken
from gateway.settings import JournalSettings, Settings
from gateway.wire import Ack, Finished, OfChannel, Partial, ServerEvent, Warning
from tests.events import final, final_cue, partial_cue, ready
from tests.journals import DAY_S, NOW_S, Reader, opening, reopened_log, running_journal, seqs, written_elsewhere


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


def is_file(path: Path) -> bool:
    return path.is_file()


# --- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [final(4), final_cue(4), Finished(4, 0, 0), OfChannel(1, final(4))])
async def test_events_that_clients_rely_on_are_in_the_file_when_published(path: Path, last: ServerEvent) -> None:
    async with running_journal(path) as journal:
        reader = Reader(journal)
        events: list[ServerEvent] = [ready(), partial_cue(2), partial_cue(3, 2), last]
        reader.write(ready())
        assert reader.events == [], "its token is of use only once the session is in the file"
        await reader.up_to(ready())
        assert written_elsewhere(path) == [1]
        reader.write(*events[1:3])
        assert reader.events == events[:3], "the rest is not awaited"
        reader.write(last)
        assert reader.events == events[:3]
        assert await reader.up_to(last) == events
        assert 4 in written_elsewhere(path)


async def test_no_event_is_published_before_an_earlier_one_of_its_session(path: Path) -> None:
    async with running_journal(path) as journal:
        partial = Partial(4, 2, 0, 0, (), (), None)
        events: list[ServerEvent] = [ready(), final(2), partial_cue(3, 2), partial, final(5, 2), Ack(6, 1, 1)]
        readers = {session_id: Reader(journal, session_id) for session_id in ("a", "b")}
        for reader in readers.values():
            reader.write(*events)
        readers["b"].write(last := Warning(7, "odd", "odd"))
        assert await readers["b"].up_to(last) == [*events, last]
        assert await readers["a"].up_to(events[-1]) == events


async def test_other_sessions_do_not_wait(path: Path) -> None:
    async with running_journal(path) as journal:
        waiting, quick = Reader(journal, "a"), Reader(journal, "b")
        waiting.write(final(1))
        quick.write(partial_cue(1))
        assert (waiting.events, quick.events) == ([], [partial_cue(1)])
        await waiting.up_to(final(1))


async def test_events_of_a_session_that_was_deleted_are_only_published(path: Path) -> None:
    async with running_journal(path) as journal:
        reader = Reader(journal)
        journal.end("a", "finished", NOW_S)
        assert await journal.delete("a")
        reader.write(ready(), final(2))
        assert reader.events == [ready(), final(2)]
        assert await journal.entries() == []


async def test_a_session_that_is_being_resumed_is_not_deleted(path: Path) -> None:
    async with running_journal(path) as journal:
        Reader(journal).write(ready())
        journal.end("a", "finished", NOW_S)
        with journal.pinned("a"):
            assert await journal.delete("a") is False
        assert await journal.delete("a") is True


async def test_a_journal_that_is_not_enabled_writes_nothing(path: Path) -> None:
    async with running_journal(path, JournalSettings(enabled=False)) as journal:
        reader = Reader(journal)
        reader.write(final(1))
        assert reader.events == [final(1)]
        assert await journal.load("a") is None
    assert not is_file(path)


async def test_superseded_events_are_deleted_whether_or_not_they_were_written(path: Path) -> None:
    async with running_journal(path) as journal:
        reader = Reader(journal)
        reader.write(ready(), partial_cue(2), Ack(3, 1, 1))
        assert await seqs(journal) == [1, 2, 3]
        reader.write(partial_cue(4), partial_cue(5), Ack(6, 2, 2))
        assert await seqs(journal) == [1, 5, 6]
        reader.write(final_cue(7), final(8))
        assert await seqs(journal) == [1, 6, 7, 8]
    assert written_elsewhere(path) == [1, 6, 7, 8]


async def test_the_rest_is_written_at_the_end(path: Path) -> None:
    async with running_journal(path) as journal:
        reader = Reader(journal)
        reader.write(ready(), final(2), partial_cue(3, 2))
        journal.end("a", "finished", NOW_S + 5)
    assert reader.events == [ready(), final(2), partial_cue(3, 2)]
    assert written_elsewhere(path) == [1, 2, 3]
    with closing(JournalFile(path)) as store:
        entry = store.find("a")
    assert entry is not None
    assert (entry.ended_s, entry.outcome) == (NOW_S + 5, "finished")
    assert journal.counts.lost == 0


async def test_the_file_is_its_owners(path: Path) -> None:
    async with running_journal(path) as journal:
        Reader(journal)
        assert len(await journal.entries()) == 1
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


# --- reading ---------------------------------------------------------------------------------------------------------


async def test_a_session_is_listed_with_what_is_known_of_it(path: Path) -> None:
    async with running_journal(path, clock=lambda: NOW_S + 7) as journal:
        reader = Reader(journal)
        assert (await journal.entries())[0].language is None
        reader.write(ready(), final(2), final(3, 2))
        entry = Entry("a", "native", "ada", {"call_id": "CA1"}, "en", NOW_S, NOW_S + 7, None, None, True, 2)
        assert await journal.entries() == [entry]
        assert await journal.find("a") == entry
        assert await journal.find("b") is None


async def test_events_are_read_from_any_number_on_and_across_batches(path: Path) -> None:
    async with running_journal(path) as journal:
        Reader(journal).write(*(final(seq, seq) for seq in range(1, 2_501)))
        assert await seqs(journal) == list(range(1, 2_501))
        assert await seqs(journal, after=2_498) == [2_499, 2_500]
        assert await seqs(journal, "b") == []
        assert journal.counts.written == 2_500


async def test_a_session_is_resumed_by_another_process(path: Path) -> None:
    async with running_journal(path) as journal:
        Reader(journal).write(ready(), partial_cue(2), Ack(3, 1, 1))
    async with running_journal(path) as journal:
        saved = await journal.load("a")
        assert saved is not None
        assert (saved.start, saved.token_digest, saved.entry.ended_s) == ("{}", b"digest", None)
        assert [seq for seq, _ in saved.rows] == [1, 2, 3]
        log = reopened_log(journal, saved)
        log.append(final(4))
        log.append(Ack(5, 2, 2))
        assert await seqs(journal) == [1, 4, 5]
        assert [entry.finals for entry in await journal.entries()] == [1]


async def test_a_session_without_a_token_is_not_resumed(path: Path) -> None:
    async with running_journal(path) as journal:
        Reader(journal, "a", Opening("a", "twilio", None, NOW_S, {}))
        assert await journal.load("a") is None
        assert await journal.load("b") is None


async def test_view_tokens_are_valid_until_they_expire_and_after_a_restart(path: Path) -> None:
    async with running_journal(path) as journal:
        await journal.store.add_view_token(b"one", ViewToken("a", None, NOW_S + 1))
        await journal.store.add_view_token(b"two", ViewToken("a", None, NOW_S))
    async with running_journal(path) as journal:
        assert await journal.store.view_token(b"one", NOW_S) == ViewToken("a", None, NOW_S + 1)
        assert await journal.store.view_token(b"two", NOW_S) is None
        assert await journal.store.view_token(b"three", NOW_S) is None


# --- what goes -------------------------------------------------------------------------------------------------------


async def test_a_session_is_deleted_once_it_is_over_with_all_that_belongs_to_it(path: Path) -> None:
    recording = recordings_folder(path) / "a.flac"
    async with running_journal(path) as journal:
        for session_id in ("a", "b"):
            Reader(journal, session_id).write(final(1))
        await journal.store.add_view_token(b"one", ViewToken("a", None, NOW_S + 1))
        recording.parent.mkdir()
        recording.touch()
        assert await journal.delete("a") is False, "it is open"
        journal.end("a", "finished", NOW_S)
        assert await journal.delete("a") is True
        assert await journal.delete("a") is False
        assert [entry.session_id for entry in await journal.entries()] == ["b"]
        assert await seqs(journal, "a") == []
        assert await journal.store.view_token(b"one", NOW_S) is None
    assert not recording.exists()


async def test_the_words_of_a_deleted_session_are_not_left_in_the_file(path: Path) -> None:
    async with running_journal(path) as journal:
        Reader(journal).write(*(final(seq, seq) for seq in range(1, 100)))
        journal.end("a", "finished", NOW_S)
        await journal.delete("a")
        assert all(b"words " not in file.read_bytes() for file in path.parent.iterdir() if file.suffix != ".db-shm")


async def test_nothing_is_written_of_a_session_that_another_process_deleted(path: Path) -> None:
    async with running_journal(path) as journal:
        reader = Reader(journal)
        reader.write(final(1))
        await reader.up_to(final(1))
        with closing(JournalFile(path)) as other:
            assert other.delete("a")
        reader.write(final(2, 2))
        assert await reader.up_to(final(2, 2)) == [final(1), final(2, 2)]
        assert await journal.entries() == []
        assert await seqs(journal) == []


async def test_sessions_are_deleted_when_their_retention_is_over(path: Path) -> None:
    async with running_journal(path) as journal:
        for session_id, ended_s in (("old", NOW_S - 31 * DAY_S), ("new", NOW_S - 29 * DAY_S)):
            Reader(journal, session_id, opening(session_id, NOW_S - 40 * DAY_S))
            journal.end(session_id, "finished", ended_s)
        Reader(journal, "open", opening("open", NOW_S - 40 * DAY_S))
        await journal.entries()
        await journal.maintenance.sweep()
        assert {entry.session_id for entry in await journal.entries()} == {"new", "open"}
    for never in (None, float("inf")):
        async with running_journal(
            path, JournalSettings(retention_days=never), lambda: NOW_S + 1_000 * DAY_S
        ) as journal:
            await journal.maintenance.sweep()
            assert {entry.session_id for entry in await journal.entries()} == {"new", "open"}


async def test_a_session_that_a_crash_left_open_was_interrupted_when_the_grace_is_over(path: Path) -> None:
    async with running_journal(path) as journal:
        Reader(journal).write(final(1))
    for later_s, outcome in ((59.0, None), (61.0, "interrupted")):
        async with running_journal(path, clock=lambda later_s=later_s: NOW_S + later_s) as journal:  # type: ignore[misc]
            await journal.maintenance.sweep()
            entry = await journal.find("a")
            assert entry is not None
            assert (entry.outcome, entry.ended_s) == (outcome, outcome and NOW_S)


async def test_two_gateways_write_to_one_file(path: Path) -> None:
    async with running_journal(path) as one, running_journal(path, clock=lambda: NOW_S + 10 * DAY_S) as other:
        readers = Reader(one, "a"), Reader(other, "b")
        for seq in range(1, 50):
            for reader in readers:
                reader.write(final(seq, seq))
            for reader in readers:
                await reader.up_to(final(seq, seq))
        assert await seqs(one, "b") == await seqs(other, "a") == list(range(1, 50))
        await other.maintenance.sweep()  # marks the other's session as interrupted: nothing was written for days
        readers[0].write(final(50, 50))
        entry = await one.find("a")
        assert entry is not None
        assert entry.ended_s is None, "its writer has not ended it"


async def test_the_settings_set_the_path_of_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    async with open_journal(Settings(journal=JournalSettings(database=path))) as journal:
        Reader(journal)
    assert path.exists()
