"""Two gateways on one journal, and a journal that is taken away or written over while it is in use."""

import logging
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from gateway.errors import ConfigurationError
from gateway.journal.journal import open_journal
from gateway.journal.journal_file import JournalFile
from gateway.settings import JournalSettings, Settings
from tests.commands import serving_command
from tests.events import final, ready
from tests.journals import Reader, running_journal, seqs, written_elsewhere


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.maintenance._CHECK_INTERVAL_S", 0.01)
    monkeypatch.setattr("gateway.journal.writer._RETRY_S", 0.001)


def settings_of(path: Path, *, is_enabled: bool = True) -> Settings:
    return Settings(journal=JournalSettings(is_enabled, path))


def remove(path: Path) -> None:
    path.unlink()


def replace_by_another(path: Path) -> None:
    other = path.with_name("other.db")
    other.write_bytes(path.read_bytes())
    other.rename(path)


def fill_with_garbage(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"these are no tables\n" * 1_000)


def write_garbage(path: Path) -> None:
    path.write_text("these are no tables\n" * 100)


def cut_short(path: Path) -> None:
    os.truncate(path, 100)


async def test_a_second_gateway_on_a_journal_is_refused_with_the_owner(path: Path) -> None:
    async with open_journal(settings_of(path)):
        with pytest.raises(ConfigurationError, match=rf"journal.database .* in use by .* process id {os.getpid()} on"):
            async with open_journal(settings_of(path)):
                pass
    async with open_journal(settings_of(path)):
        pass  # the first one is gone


async def test_a_gateway_that_keeps_no_journal_is_no_owner(path: Path) -> None:
    async with open_journal(settings_of(path)), open_journal(settings_of(path, is_enabled=False)):
        pass


def test_the_command_reports_it_and_exits_and_a_killed_gateway_owns_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway", "serve", "--engine", "scripted", "--port", "0"]
    with serving_command(tmp_path) as first:
        environment = os.environ | {"XDG_DATA_HOME": str(tmp_path)}
        second = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=50, check=False)  # noqa: S603
        assert second.returncode == 2
        assert f"process id {first.process.pid}" in " ".join(second.stderr.split())
        first.process.kill()
        first.process.wait()
    with serving_command(tmp_path):
        pass


@pytest.mark.parametrize("harm", [remove, replace_by_another, fill_with_garbage, cut_short])
async def test_a_damaged_journal_is_logged_and_counted_without_any_event(
    path: Path, harm: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(harm)
    async with running_journal(path) as journal:
        reader = Reader(journal)
        reader.write(ready(), final(2))
        assert await seqs(journal) == [1, 2]
        with caplog.at_level(logging.WARNING):
            harm(path)
            with anyio.fail_after(10):
                await reader.warned.wait()
        assert journal.counts.failures >= 1
        assert journal.counts.lost == 2
    assert "while it was open" in caplog.text


async def test_a_session_continues_in_a_new_file_and_is_marked_incomplete(path: Path) -> None:
    async with running_journal(path) as journal:
        reader = Reader(journal)
        reader.write(ready(), final(2))
        assert await seqs(journal) == [1, 2]
        remove(path)
        await reader.warned.wait()
        reader.write(final(3, 2))
        await reader.up_to(final(3, 2))
        with anyio.fail_after(10), closing(JournalFile(path)) as store:
            while not store.events("a"):
                await anyio.lowlevel.checkpoint()
        entry = await journal.find("a")
        assert entry is not None
        assert not entry.is_complete
    assert written_elsewhere(path) == [3, 10_000], "the final, and the warning"


READ = """
import sys
from pathlib import Path
from gateway.journal.journal_file import JournalFile
store = JournalFile(Path(sys.argv[1]))
print([seq for seq, _ in store.events("a")])
store.close()
"""


async def test_inspecting_the_file_takes_no_lock_from_its_writer(path: Path) -> None:
    """Another process that closes it last would throw away what is being written."""

    async def read_elsewhere() -> str:
        command = [sys.executable, "-c", READ, str(path)]
        return (await anyio.run_process(command)).stdout.decode().strip()

    async with running_journal(path) as journal:
        reader = Reader(journal)
        reader.write(ready())
        await reader.up_to(ready())
        for seq in range(2, 5):
            assert await read_elsewhere() == str(list(range(1, seq)))
            reader.write(final(seq, seq))
            await reader.up_to(final(seq, seq))
        assert await read_elsewhere() == "[1, 2, 3, 4]"
    assert journal.counts.failures == 0


async def test_garbage_in_place_of_a_journal_is_logged_when_the_gateway_starts(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_garbage(path)
    async with running_journal(path) as journal:
        with anyio.fail_after(10):
            while not journal.counts.failures:
                await anyio.lowlevel.checkpoint()
    assert "not a SQLite database" in caplog.text
