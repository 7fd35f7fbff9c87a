"""A journal that cannot be written stops no captions, loses no more than it must, and warns."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from gateway.journal.journal_file import JournalFile
from gateway.journal.store import ViewToken
from gateway.sqlite import StateUnavailable
from tests.events import final, partial_cue, ready
from tests.journals import NOW_S, Reader, running_journal, seqs, written_elsewhere

ROOT = Path(__file__).parents[3]

WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
import anyio
from tests.journals import Reader, running_journal
from tests.events import final, partial_cue, ready

async def main():
    async with running_journal(Path(sys.argv[1])) as journal:
        reader = Reader(journal)
        reader.write(ready())
        for seq in range(2, 100_000, 2):
            reader.write(partial_cue(seq, seq), final(seq + 1, seq))
            await reader.up_to(final(seq + 1, seq))
            print(seq + 1, flush=True)

anyio.run(main)
"""

FILL_THE_DISK = """
import resource, sys
from pathlib import Path
import anyio
from tests.journals import Reader, running_journal, seqs
from tests.events import final, ready

async def main():
    warned = anyio.Event()
    async with running_journal(Path(sys.argv[1])) as journal:
        reader = Reader(journal)
        warned = reader.warned
        reader.write(ready())
        await journal.entries()
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
        seq = 1
        while not warned.is_set():
            seq += 1
            reader.write(final(seq, seq))
            await reader.up_to(final(seq, seq))
        reader.write(final(seq + 1, seq + 1))
        assert reader.events[-1] == final(seq + 1, seq + 1), "a full disk delays no event"
        assert await seqs(journal) == [*range(1, seq + 2), 10_000], "what is not in the file is read all the same"
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(len(reader.events), journal.counts.lost, journal.counts.failures > 0)

anyio.run(main)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sqlite._BUSY_S", 0.0)
    monkeypatch.setattr("gateway.journal.writer._RETRY_S", 0.001)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock as another process would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def fill_with_garbage(path: Path) -> None:
    path.write_text("these are no tables\n" * 100)


def is_garbage(path: Path) -> bool:
    return path.read_text() == "these are no tables\n" * 100


async def test_each_session_is_warned_once_of_a_locked_file_and_everything_is_written_later(path: Path) -> None:
    async with running_journal(path) as journal:
        reader = Reader(journal)
        reader.write(ready())
        await journal.entries()
        with locked(path):
            reader.write(final(2))
            assert await reader.up_to(final(2)) == [ready(), final(2)]
            await reader.warned.wait()
            reader.write(partial_cue(3, 2), final(4, 2))
            assert reader.events[-1] == final(4, 2), "a file known to be locked delays no event"
            later = Reader(journal, "b")
            await later.warned.wait()
            assert await seqs(journal) == [1, 2, 4, 10_000]
    assert (
        reader.warnings
        == later.warnings
        == ["the journal is unavailable: captions continue, events are kept in memory"]
    )
    assert written_elsewhere(path) == [1, 2, 4, 10_000]
    assert journal.counts.failures > 0
    assert journal.counts.lost == 0


async def test_a_file_that_stays_locked_for_long_holds_no_final_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_journal(path) as journal:
        Reader(journal)
        await journal.entries()
    monkeypatch.setattr("gateway.sqlite._BUSY_S", 30.0)
    async with running_journal(path) as journal:
        await journal.entries()
        reader = Reader(journal, "b")
        with locked(path):
            reader.write(final(1), partial_cue(2, 2), final(3, 2))
            assert reader.events == []
            with anyio.fail_after(5):
                assert await reader.up_to(final(3, 2)) == [final(1), partial_cue(2, 2), final(3, 2)]
    assert written_elsewhere(path, "b") == [1, 3]
    assert journal.counts.failures == 0


async def test_beyond_the_limit_the_oldest_are_dropped_and_the_session_is_marked_incomplete(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.unwritten_events.MAX_UNWRITTEN", 3)
    async with running_journal(path) as journal:
        reader = Reader(journal)
        await journal.entries()
        with locked(path):
            reader.write(final(1))
            await reader.warned.wait()
            reader.write(*(final(seq, seq) for seq in range(2, 8)))
        assert len(reader.events) == 7
        while journal.counts.written == 0:
            await anyio.lowlevel.checkpoint()
        entry = await journal.find("a")
        assert entry is not None
        assert not entry.is_complete
    assert written_elsewhere(path) == [5, 6, 7]
    assert journal.counts.lost == 5


async def test_sessions_that_have_ended_meanwhile_are_bounded_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.backlog.MAX_SESSIONS", 2)
    async with running_journal(path) as journal:
        await journal.store.add_view_token(b"one", ViewToken("z", None, NOW_S))  # makes the file
        with locked(path):
            for session_id in ("a", "b", "c"):
                reader = Reader(journal, session_id)
                await reader.warned.wait()
                reader.write(final(1))
                journal.end(session_id, "finished", NOW_S)
    with closing(JournalFile(path)) as store:
        assert {entry.session_id for entry in store.entries()} == {"b", "c"}
    assert journal.counts.lost == 2, "the final, and the warning"


async def test_events_unwritten_at_the_end_are_counted(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill_with_garbage(path)
    async with running_journal(path) as journal:
        reader = Reader(journal)
        reader.write(ready(), final(2))
        assert await reader.up_to(final(2)) == [ready(), final(2)]
        await reader.warned.wait()
        with pytest.raises(StateUnavailable, match=r"journal\.database = .*: it is not a SQLite database"):
            await journal.entries()
    assert journal.counts.lost == 3
    assert "3 journal events were never written" in caplog.text
    assert is_garbage(path), "what is there is not overwritten"


def test_sessions_are_warned_of_a_full_disk_and_everything_is_written_once_there_is_space(path: Path) -> None:
    command = [sys.executable, "-c", FILL_THE_DISK, str(path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert result.returncode == 0, result.stderr
    published, lost, has_failed = result.stdout.split()
    assert (lost, has_failed) == ("0", "True")
    assert written_elsewhere(path) == [*range(1, int(published) + 1), 10_000], "and the warning"


def test_published_events_survive_a_killed_process(path: Path) -> None:
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:  # noqa: S603
        assert child.stdout is not None
        last = 0
        for _ in range(50):
            last = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        published = [last, *map(int, child.stdout.read().split(b"\n")[:-1])]
    finals = [seq for seq in written_elsewhere(path) if seq % 2 and seq > 1]
    assert finals[: len(range(3, published[-1] + 1, 2))] == list(range(3, published[-1] + 1, 2))
