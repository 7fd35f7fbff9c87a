"""A journal that cannot be written stops no captions, loses nothing it need not lose, and says so."""

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

from gateway.journal.store import JournalStore, ViewToken
from gateway.sqlite import StateUnavailable
from tests.gateway.journal.test_journal import NOW_S, Told, at_work, seqs, written_elsewhere
from tests.said import final, partial_cue, ready

ROOT = Path(__file__).parents[3]

SAY_UNTIL_KILLED = """
import sys
from pathlib import Path
import anyio
from tests.gateway.journal.test_journal import Told, at_work
from tests.said import final, partial_cue, ready

async def main():
    async with at_work(Path(sys.argv[1])) as journal:
        told = Told(journal)
        told.write(ready())
        for seq in range(2, 100_000, 2):
            told.write(partial_cue(seq, seq), final(seq + 1, seq))
            await told.up_to(final(seq + 1, seq))
            print(seq + 1, flush=True)

anyio.run(main)
"""

FILL_THE_DISK = """
import resource, sys
from pathlib import Path
import anyio
from tests.gateway.journal.test_journal import Told, at_work, seqs
from tests.said import final, ready

async def main():
    warned = anyio.Event()
    async with at_work(Path(sys.argv[1])) as journal:
        told = Told(journal)
        warned = told.warned
        told.write(ready())
        await journal.entries()
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
        seq = 1
        while not warned.is_set():
            seq += 1
            told.write(final(seq, seq))
            await told.up_to(final(seq, seq))
        told.write(final(seq + 1, seq + 1))
        assert told.events[-1] == final(seq + 1, seq + 1), "nobody waits for a disk that is full"
        assert await seqs(journal) == [*range(1, seq + 2), 10_000], "what is not in the file is read all the same"
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(len(told.events), journal.counts.lost, journal.counts.failures > 0)

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


async def test_a_locked_file_is_told_once_a_session_and_everything_is_written_when_that_is_over(path: Path) -> None:
    async with at_work(path) as journal:
        told = Told(journal)
        told.write(ready())
        await journal.entries()
        with locked(path):
            told.write(final(2))
            assert await told.up_to(final(2)) == [ready(), final(2)]
            await told.warned.wait()
            told.write(partial_cue(3, 2), final(4, 2))
            assert told.events[-1] == final(4, 2), "nobody waits for a file that is known to be locked"
            later = Told(journal, "b")
            await later.warned.wait()
            assert await seqs(journal) == [1, 2, 4, 10_000]
    assert told.warnings == later.warnings == ["the journal cannot be written at the moment; captions continue"]
    assert written_elsewhere(path) == [1, 2, 4, 10_000]
    assert journal.counts.failures > 0
    assert journal.counts.lost == 0


async def test_a_file_that_stays_locked_for_long_holds_no_final_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(path) as journal:
        Told(journal)
        await journal.entries()
    monkeypatch.setattr("gateway.sqlite._BUSY_S", 30.0)
    async with at_work(path) as journal:
        await journal.entries()
        told = Told(journal, "b")
        with locked(path):
            told.write(final(1), partial_cue(2, 2), final(3, 2))
            assert told.events == []
            with anyio.fail_after(5):
                assert await told.up_to(final(3, 2)) == [final(1), partial_cue(2, 2), final(3, 2)]
    assert written_elsewhere(path, "b") == [1, 3]
    assert journal.counts.failures == 0


async def test_beyond_the_bound_the_oldest_are_given_up_and_the_session_is_known_to_be_incomplete(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.unwritten_events.MAX_UNWRITTEN", 3)
    async with at_work(path) as journal:
        told = Told(journal)
        await journal.entries()
        with locked(path):
            told.write(final(1))
            await told.warned.wait()
            told.write(*(final(seq, seq) for seq in range(2, 8)))
        assert len(told.events) == 7
        while journal.counts.written == 0:
            await anyio.lowlevel.checkpoint()
        entry = await journal.find("a")
        assert entry is not None
        assert not entry.is_complete
    assert written_elsewhere(path) == [5, 6, 7]
    assert journal.counts.lost == 5


async def test_sessions_that_have_ended_meanwhile_are_bounded_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.backlog.MAX_SESSIONS", 2)
    async with at_work(path) as journal:
        await journal.add_view_token(b"one", ViewToken("z", None, NOW_S))  # makes the file
        with locked(path):
            for session_id in ("a", "b", "c"):
                told = Told(journal, session_id)
                await told.warned.wait()
                told.write(final(1))
                journal.end(session_id, "finished", NOW_S)
    with closing(JournalStore(path)) as store:
        assert {entry.session_id for entry in store.entries()} == {"b", "c"}
    assert journal.counts.lost == 2, "the final, and the warning"


async def test_what_cannot_be_written_at_the_end_is_counted(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill_with_garbage(path)
    async with at_work(path) as journal:
        told = Told(journal)
        told.write(ready(), final(2))
        assert await told.up_to(final(2)) == [ready(), final(2)]
        await told.warned.wait()
        with pytest.raises(StateUnavailable, match=r"journal\.database = .*: it is not a SQLite database"):
            await journal.entries()
    assert journal.counts.lost == 3
    assert "3 events were never written" in caplog.text
    assert is_garbage(path), "what is there is not overwritten"


def test_a_full_disk_is_told_and_everything_is_written_when_there_is_room_again(path: Path) -> None:
    command = [sys.executable, "-c", FILL_THE_DISK, str(path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert result.returncode == 0, result.stderr
    told, lost, has_failed = result.stdout.split()
    assert (lost, has_failed) == ("0", "True")
    assert written_elsewhere(path) == [*range(1, int(told) + 1), 10_000], "and the warning"


def test_what_was_told_is_there_after_the_process_was_killed(path: Path) -> None:
    command = [sys.executable, "-c", SAY_UNTIL_KILLED, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:  # noqa: S603
        assert child.stdout is not None
        last = 0
        for _ in range(50):
            last = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        told = [last, *map(int, child.stdout.read().split(b"\n")[:-1])]
    finals = [seq for seq in written_elsewhere(path) if seq % 2 and seq > 1]
    assert finals[: len(range(3, told[-1] + 1, 2))] == list(range(3, told[-1] + 1, 2))
