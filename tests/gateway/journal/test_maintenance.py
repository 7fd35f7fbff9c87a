"""Retention, and detection of a file that was deleted."""

from pathlib import Path

import anyio
import pytest

from gateway.journal.journal_file import JournalFile
from gateway.journal.maintenance import Maintenance
from gateway.journal.sqlite_store import SqliteStore
from gateway.journal.store import Batch, Change, Opening
from gateway.journal.writer import JournalWriter
from gateway.settings import JournalSettings
from tests.journals import DAY_S, NOW_S


class Deletions:
    """Records which sessions are to be deleted."""

    def __init__(self) -> None:
        self.session_ids: list[str] = []

    async def __call__(self, session_id: str) -> bool:
        self.session_ids.append(session_id)
        return True


def maintenance(store: JournalFile, days: float | None, deletions: Deletions) -> tuple[Maintenance, JournalWriter]:
    writer = JournalWriter(SqliteStore(store), lambda: NOW_S)
    settings = JournalSettings(retention_days=days)
    return Maintenance(SqliteStore(store), writer, settings, 60.0, lambda: NOW_S, deletions), writer


@pytest.fixture
def store(tmp_path: Path) -> JournalFile:
    made = JournalFile(tmp_path / "journal.db")
    ages_days = {"old": 31, "new": 29}
    openings = [Opening(name, "native", None, 0.0, {}) for name in (*ages_days, "open")]
    changes = [
        Change(name, NOW_S, ended_s=NOW_S - days * DAY_S, outcome="finished") for name, days in ages_days.items()
    ]
    made.write(Batch(openings, changes=[*changes, Change("open", NOW_S - 61)]))
    return made


async def test_a_sweep_deletes_what_is_older_than_the_retention_and_marks_interrupted_sessions(
    store: JournalFile,
) -> None:
    deletions = Deletions()
    made, _ = maintenance(store, 30.0, deletions)
    await made.sweep()
    assert deletions.session_ids == ["old"]
    entry = store.find("open")
    assert entry is not None
    assert entry.outcome == "interrupted"
    store.close()


async def test_without_a_retention_nothing_is_deleted(store: JournalFile) -> None:
    deletions = Deletions()
    made, _ = maintenance(store, None, deletions)
    await made.sweep()
    assert deletions.session_ids == []
    store.close()


async def test_a_deleted_file_is_noticed(store: JournalFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.maintenance._CHECK_INTERVAL_S", 0.0)
    made, writer = maintenance(store, None, Deletions())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run)
        await anyio.to_thread.run_sync(store.path.unlink)
        with anyio.fail_after(5):
            while not writer.is_failing:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    store.close()
