"""What sessions say is written down before its finals are told, and can be read again."""

import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path

import anyio
import pytest

from gateway.journal.journal import Entry, Journal, Opening, SavedSession, open_journal
from gateway.journal.recording import recordings_folder
from gateway.journal.session_log import SessionLog
from gateway.journal.store import JournalStore, ViewToken
from gateway.settings import JournalSettings, Settings
from gateway.wire import Ack, Finished, OfChannel, Partial, ServerEvent, Warning
from tests.said import final, final_cue, partial_cue, ready
from vad.errors import LivecueError

DAY_S = 86_400.0
NOW_S = 1_000 * DAY_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


def opening(session_id: str = "a", opened_s: float = NOW_S) -> Opening:
    return Opening(session_id, "native", "ada", opened_s, {"call_id": "CA1"}, "{}", b"digest")


@asynccontextmanager
async def at_work(
    path: Path, settings: JournalSettings | None = None, clock: Callable[[], float] = lambda: NOW_S
) -> AsyncIterator[Journal]:
    journal = Journal(JournalStore(path), settings or JournalSettings(), 60.0, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(journal.run)
        yield journal
        tasks.cancel_scope.cancel()


class Told:
    """A session whose events are recorded, and what of them is published."""

    def __init__(self, journal: Journal, session_id: str = "a", opened: Opening | None = None) -> None:
        self.events: list[ServerEvent] = []
        self.warned = anyio.Event()
        self.warnings: list[str] = []
        self.log = journal.open(opened or opening(session_id), self, count(10_000).__next__)
        self._changed = anyio.Event()

    def write(self, *events: ServerEvent) -> None:
        for event in events:
            self.log.append(event)

    async def up_to(self, last: ServerEvent) -> list[ServerEvent]:
        while last not in self.events:
            self._changed = anyio.Event()
            await self._changed.wait()
        return self.events

    def publish(self, event: ServerEvent) -> None:
        if isinstance(event, Warning) and event.code == "journal_unavailable":
            self.warnings.append(event.message)
            self.warned.set()
        else:
            self.events.append(event)
            self._changed.set()

    def close(self, error: LivecueError | None) -> None:
        raise AssertionError("no session ends here")


def written_on(journal: Journal, saved: SavedSession) -> SessionLog:
    """Return the log of a session that goes on."""
    return journal.reopen(saved, Told(journal, saved.entry.session_id), count(10_000).__next__)


def is_there(path: Path) -> bool:
    return path.exists()


async def seqs(journal: Journal, session_id: str = "a", after: int = 0) -> list[int]:
    return [seq for seq, _ in await journal.events(session_id, after)]


def written_elsewhere(path: Path, session_id: str = "a") -> list[int]:
    with closing(JournalStore(path)) as store:
        return [seq for seq, _ in store.events(session_id)]


# --- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [final(4), final_cue(4), Finished(4, 0, 0), OfChannel(1, final(4))])
async def test_what_others_rely_on_is_in_the_file_when_it_is_told(path: Path, last: ServerEvent) -> None:
    async with at_work(path) as journal:
        told = Told(journal)
        said: list[ServerEvent] = [ready(), partial_cue(2), partial_cue(3, 2), last]
        told.write(ready())
        assert told.events == [], "its token is of use only once the session is in the file"
        await told.up_to(ready())
        assert written_elsewhere(path) == [1]
        told.write(*said[1:3])
        assert told.events == said[:3], "nobody waits for the rest"
        told.write(last)
        assert told.events == said[:3]
        assert await told.up_to(last) == said
        assert 4 in written_elsewhere(path)


async def test_nothing_is_told_before_what_the_same_session_said_earlier(path: Path) -> None:
    async with at_work(path) as journal:
        partial = Partial(4, 2, 0, 0, (), (), None)
        said: list[ServerEvent] = [ready(), final(2), partial_cue(3, 2), partial, final(5, 2), Ack(6, 1, 1)]
        tellings = {session_id: Told(journal, session_id) for session_id in ("a", "b")}
        for told in tellings.values():
            told.write(*said)
        tellings["b"].write(last := Warning(7, "odd", "odd"))
        assert await tellings["b"].up_to(last) == [*said, last]
        assert await tellings["a"].up_to(said[-1]) == said


async def test_other_sessions_do_not_wait(path: Path) -> None:
    async with at_work(path) as journal:
        waiting, quick = Told(journal, "a"), Told(journal, "b")
        waiting.write(final(1))
        quick.write(partial_cue(1))
        assert (waiting.events, quick.events) == ([], [partial_cue(1)])
        await waiting.up_to(final(1))


async def test_events_of_a_session_that_was_deleted_are_only_published(path: Path) -> None:
    async with at_work(path) as journal:
        told = Told(journal)
        journal.end("a", "finished", NOW_S)
        assert await journal.delete("a")
        told.write(ready(), final(2))
        assert told.events == [ready(), final(2)]
        assert await journal.entries() == []


async def test_a_session_that_is_being_resumed_is_not_deleted(path: Path) -> None:
    async with at_work(path) as journal:
        Told(journal).write(ready())
        journal.end("a", "finished", NOW_S)
        with journal.pinned("a"):
            assert await journal.delete("a") is False
        assert await journal.delete("a") is True


async def test_a_journal_that_is_not_enabled_writes_nothing(path: Path) -> None:
    async with at_work(path, JournalSettings(enabled=False)) as journal:
        told = Told(journal)
        told.write(final(1))
        assert told.events == [final(1)]
        assert await journal.load("a") is None
    assert not is_there(path)


async def test_what_is_superseded_is_taken_out_whether_or_not_it_was_written(path: Path) -> None:
    async with at_work(path) as journal:
        told = Told(journal)
        told.write(ready(), partial_cue(2), Ack(3, 1, 1))
        assert await seqs(journal) == [1, 2, 3]
        told.write(partial_cue(4), partial_cue(5), Ack(6, 2, 2))
        assert await seqs(journal) == [1, 5, 6]
        told.write(final_cue(7), final(8))
        assert await seqs(journal) == [1, 6, 7, 8]
    assert written_elsewhere(path) == [1, 6, 7, 8]


async def test_what_is_left_is_written_at_the_end(path: Path) -> None:
    async with at_work(path) as journal:
        told = Told(journal)
        told.write(ready(), final(2), partial_cue(3, 2))
        journal.end("a", "finished", NOW_S + 5)
    assert told.events == [ready(), final(2), partial_cue(3, 2)]
    assert written_elsewhere(path) == [1, 2, 3]
    with closing(JournalStore(path)) as store:
        entry = store.find("a")
    assert entry is not None
    assert (entry.ended_s, entry.outcome) == (NOW_S + 5, "finished")
    assert journal.counts.lost == 0


async def test_the_file_is_its_owners(path: Path) -> None:
    async with at_work(path) as journal:
        Told(journal)
        assert len(await journal.entries()) == 1
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


# --- reading ---------------------------------------------------------------------------------------------------------


async def test_a_session_is_listed_with_what_is_known_of_it(path: Path) -> None:
    async with at_work(path, clock=lambda: NOW_S + 7) as journal:
        told = Told(journal)
        assert (await journal.entries())[0].language is None
        told.write(ready(), final(2), final(3, 2))
        entry = Entry("a", "native", "ada", {"call_id": "CA1"}, "en", NOW_S, NOW_S + 7, None, None, True, 2)
        assert await journal.entries() == [entry]
        assert await journal.find("a") == entry
        assert await journal.find("b") is None


async def test_events_are_read_from_any_number_on_and_across_batches(path: Path) -> None:
    async with at_work(path) as journal:
        Told(journal).write(*(final(seq, seq) for seq in range(1, 2_501)))
        assert await seqs(journal) == list(range(1, 2_501))
        assert await seqs(journal, after=2_498) == [2_499, 2_500]
        assert await seqs(journal, "b") == []
        assert journal.counts.written == 2_500


async def test_a_session_is_taken_up_again_by_another_process(path: Path) -> None:
    async with at_work(path) as journal:
        Told(journal).write(ready(), partial_cue(2), Ack(3, 1, 1))
    async with at_work(path) as journal:
        saved = await journal.load("a")
        assert saved is not None
        assert (saved.start, saved.token_digest, saved.entry.ended_s) == ("{}", b"digest", None)
        assert [seq for seq, _ in saved.rows] == [1, 2, 3]
        log = written_on(journal, saved)
        log.append(final(4))
        log.append(Ack(5, 2, 2))
        assert await seqs(journal) == [1, 4, 5]
        assert [entry.finals for entry in await journal.entries()] == [1]


async def test_a_session_without_a_token_is_not_taken_up_again(path: Path) -> None:
    async with at_work(path) as journal:
        Told(journal, "a", Opening("a", "twilio", None, NOW_S, {}))
        assert await journal.load("a") is None
        assert await journal.load("b") is None


async def test_view_tokens_show_their_session_until_they_expire_and_after_a_restart(path: Path) -> None:
    async with at_work(path) as journal:
        await journal.add_view_token(b"one", ViewToken("a", None, NOW_S + 1))
        await journal.add_view_token(b"two", ViewToken("a", None, NOW_S))
    async with at_work(path) as journal:
        assert await journal.view_token(b"one") == ViewToken("a", None, NOW_S + 1)
        assert await journal.view_token(b"two") is None
        assert await journal.view_token(b"three") is None


# --- what goes -------------------------------------------------------------------------------------------------------


async def test_a_session_is_deleted_once_it_is_over_with_all_that_belongs_to_it(path: Path) -> None:
    recording = recordings_folder(path) / "a.flac"
    async with at_work(path) as journal:
        for session_id in ("a", "b"):
            Told(journal, session_id).write(final(1))
        await journal.add_view_token(b"one", ViewToken("a", None, NOW_S + 1))
        recording.parent.mkdir()
        recording.touch()
        assert await journal.delete("a") is False, "it is open"
        journal.end("a", "finished", NOW_S)
        assert await journal.delete("a") is True
        assert await journal.delete("a") is False
        assert [entry.session_id for entry in await journal.entries()] == ["b"]
        assert await seqs(journal, "a") == []
        assert await journal.view_token(b"one") is None
    assert not recording.exists()


async def test_the_words_of_a_deleted_session_are_not_left_in_the_file(path: Path) -> None:
    async with at_work(path) as journal:
        Told(journal).write(*(final(seq, seq) for seq in range(1, 100)))
        journal.end("a", "finished", NOW_S)
        await journal.delete("a")
        assert all(b"words " not in file.read_bytes() for file in path.parent.iterdir() if file.suffix != ".db-shm")


async def test_what_was_deleted_by_another_process_is_not_written_on(path: Path) -> None:
    async with at_work(path) as journal:
        told = Told(journal)
        told.write(final(1))
        await told.up_to(final(1))
        with closing(JournalStore(path)) as other:
            assert other.delete("a")
        told.write(final(2, 2))
        assert await told.up_to(final(2, 2)) == [final(1), final(2, 2)]
        assert await journal.entries() == []
        assert await seqs(journal) == []


async def test_sessions_are_deleted_when_their_time_is_over(path: Path) -> None:
    async with at_work(path) as journal:
        for session_id, ended_s in (("old", NOW_S - 31 * DAY_S), ("new", NOW_S - 29 * DAY_S)):
            Told(journal, session_id, opening(session_id, NOW_S - 40 * DAY_S))
            journal.end(session_id, "finished", ended_s)
        Told(journal, "open", opening("open", NOW_S - 40 * DAY_S))
        await journal.entries()
        await journal.maintenance.sweep()
        assert {entry.session_id for entry in await journal.entries()} == {"new", "open"}
    for never in (None, float("inf")):
        async with at_work(path, JournalSettings(retention_days=never), lambda: NOW_S + 1_000 * DAY_S) as journal:
            await journal.maintenance.sweep()
            assert {entry.session_id for entry in await journal.entries()} == {"new", "open"}


async def test_a_session_that_a_crash_left_open_was_interrupted_when_the_grace_is_over(path: Path) -> None:
    async with at_work(path) as journal:
        Told(journal).write(final(1))
    for later_s, outcome in ((59.0, None), (61.0, "interrupted")):
        async with at_work(path, clock=lambda later_s=later_s: NOW_S + later_s) as journal:  # type: ignore[misc]
            await journal.maintenance.sweep()
            entry = await journal.find("a")
            assert entry is not None
            assert (entry.outcome, entry.ended_s) == (outcome, outcome and NOW_S)


async def test_two_gateways_write_to_one_file(path: Path) -> None:
    async with at_work(path) as one, at_work(path, clock=lambda: NOW_S + 10 * DAY_S) as other:
        tellings = Told(one, "a"), Told(other, "b")
        for seq in range(1, 50):
            for told in tellings:
                told.write(final(seq, seq))
            for told in tellings:
                await told.up_to(final(seq, seq))
        assert await seqs(one, "b") == await seqs(other, "a") == list(range(1, 50))
        await other.maintenance.sweep()  # takes the one's for interrupted, for it has said nothing for days
        tellings[0].write(final(50, 50))
        entry = await one.find("a")
        assert entry is not None
        assert entry.ended_s is None, "whoever writes it knows better"


async def test_the_settings_say_where_the_journal_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    async with open_journal(Settings(journal=JournalSettings(database=path))) as journal:
        Told(journal)
    assert path.exists()
