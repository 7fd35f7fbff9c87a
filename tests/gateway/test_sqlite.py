"""The state database: made when needed, for its owner only, and plain about what is wrong with it."""

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType

import anyio
import pytest
from platformdirs.macos import MacOS

from gateway.settings import StateSettings
from gateway.sqlite import Schema, StateDatabase, StateUnavailable, data_path, state_path

NOTES = Schema("notes", (("CREATE TABLE notes (text TEXT)",),))


def add(text: str, connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO notes (text) VALUES (?)", (text,))


def notes(database: StateDatabase) -> list[str]:
    return [text for (text,) in database.read(lambda c: c.execute("SELECT text FROM notes").fetchall())]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "state.db"


@contextmanager
def opened(path: Path, *schemas: Schema) -> Iterator[StateDatabase]:
    with closing(StateDatabase(path, schemas or (NOTES,))) as database:
        yield database


def refusal(path: Path, *schemas: Schema) -> str:
    with opened(path, *schemas) as database, pytest.raises(StateUnavailable) as refused:
        database.write(lambda connection: add("one", connection))
    message = str(refused.value)
    prefix = f"state.database = {str(path)!r}: "
    assert message.startswith(prefix)
    return message.removeprefix(prefix)


@contextmanager
def few_descriptors(resource: ModuleType, free: int) -> Iterator[None]:
    """Leave this process so many file descriptors, or fewer, while the block lasts."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


# --- the file -------------------------------------------------------------------------------------------------------


def test_the_file_is_made_by_the_first_use_for_its_owner_only(path: Path) -> None:
    with opened(path) as database:
        assert not database.exists()
        assert not path.parent.exists()
        database.write(lambda connection: add("one", connection))
        assert database.exists()
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_written_data_is_there_for_the_next_process(path: Path) -> None:
    with opened(path) as database:
        database.write(lambda connection: add("one", connection))
    with opened(path) as database:
        assert notes(database) == ["one"]


def test_the_default_is_in_the_users_data_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert state_path(StateSettings()) == tmp_path / "livecue" / "state.db"
    monkeypatch.setenv("HOME", str(tmp_path))
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_DATA_HOME", ignored)
        assert state_path(StateSettings()) == tmp_path / ".local" / "share" / "livecue" / "state.db"
    assert state_path(StateSettings(Path("mine.db"))) == Path("mine.db")


def test_on_macos_a_file_of_before_is_still_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr("platformdirs.PlatformDirs", MacOS)
    assert data_path("state.db") == tmp_path / "Library" / "Application Support" / "livecue" / "state.db"

    former = tmp_path / ".local" / "share" / "livecue" / "state.db"
    former.parent.mkdir(parents=True)
    former.touch()
    assert data_path("state.db") == former
    assert data_path("journal.db") == tmp_path / "Library" / "Application Support" / "livecue" / "journal.db"


def test_without_a_home_directory_the_error_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for a user that the system does not know
    with pytest.raises(StateUnavailable, match="home directory"):
        data_path("state.db")


# --- transactions ---------------------------------------------------------------------------------------------------


def test_a_write_that_fails_leaves_nothing_behind(path: Path) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        add("half", connection)
        raise ValueError("stop")

    with opened(path) as database:
        with pytest.raises(ValueError, match="stop"):
            database.write(fail)
        database.write(lambda connection: add("whole", connection))
        assert notes(database) == ["whole"]


async def test_works_run_one_at_a_time_and_off_the_event_loop(path: Path) -> None:
    running: list[int] = []

    def work(number: int) -> None:
        assert threading.current_thread() is not threading.main_thread()
        running.append(number)
        database.write(lambda connection: add(str(number), connection))
        assert running.pop() == number
        assert not running

    with opened(path) as database:
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(database.run, lambda number=number: work(number))
        assert sorted(notes(database)) == [str(number) for number in range(8)]


# --- versions -------------------------------------------------------------------------------------------------------


def test_each_part_brings_its_own_tables_up_to_date(path: Path) -> None:
    newer = Schema("notes", (*NOTES.steps, ("ALTER TABLE notes ADD author TEXT", "UPDATE notes SET author = 'ada'")))
    journal = Schema("journal", (("CREATE TABLE journal (event TEXT)",),))
    with opened(path) as database:
        database.write(lambda connection: add("one", connection))
    with opened(path, newer, journal) as database:
        assert database.read(lambda c: c.execute("SELECT * FROM notes").fetchall()) == [("one", "ada")]
        assert database.read(lambda c: c.execute("SELECT * FROM journal").fetchall()) == []


def test_an_unrequested_part_is_left_unchanged(path: Path) -> None:
    journal = Schema("journal", (("CREATE TABLE journal (event TEXT)",),))
    with opened(path) as database:
        database.write(lambda connection: add("one", connection))
    with opened(path, journal) as database:
        assert notes(database) == ["one"]


def test_a_database_of_a_newer_livecue_is_not_touched(path: Path) -> None:
    newer = Schema("notes", (*NOTES.steps, ("ALTER TABLE notes ADD author TEXT",)))
    with opened(path, newer) as database:
        database.read(lambda connection: None)
    assert refusal(path) == "schema notes has version 2, newer than 1 of this livecue: update livecue"


# --- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_text("these are no tables\n" * 100)
    assert refusal(path) == "it is not a SQLite database"
    assert path.read_text().startswith("these are no tables"), "what is there is not overwritten"


def test_a_damaged_database_is_refused(path: Path) -> None:
    with opened(path) as database:
        database.write(lambda connection: add("one" * 10_000, connection))
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(len(content) - 100))
    assert refusal(path) == "it is damaged; restore it from a backup"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "Is a directory"


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "file" / "state.db") == "File exists"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_may_not_be_written_is_refused(path: Path) -> None:
    with opened(path) as database:
        database.write(lambda connection: add("one", connection))
    path.chmod(0o400)
    assert refusal(path) == "Permission denied"


@pytest.mark.parametrize("free", range(12))
def test_a_lack_of_descriptors_is_reported_and_the_database_opens_once_there_are(path: Path, free: int) -> None:
    resource = pytest.importorskip("resource")
    with opened(path) as database:
        database.write(lambda connection: add("one", connection))
        database.close()
        with few_descriptors(resource, free):
            try:
                assert notes(database) == ["one"]
            except StateUnavailable as error:
                assert str(error).startswith("state.database = ")  # noqa: PT017  # more of them are enough
        assert notes(database) == ["one"]


def test_a_file_that_another_process_keeps_locked_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sqlite._BUSY_S", 0.0)
    with opened(path) as database:
        database.write(lambda connection: add("one", connection))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert refusal(path) == "locked by another process for more than 2 s"
        other.execute("ROLLBACK")
    with opened(path) as database:
        assert notes(database) == ["one"]


def test_a_database_that_becomes_read_only_is_reported_and_can_still_be_read(path: Path) -> None:
    with opened(path) as database:
        database.write(lambda connection: add("one", connection))
        database.read(lambda connection: connection.execute("PRAGMA query_only = ON"))
        with pytest.raises(StateUnavailable, match="it is read-only"):
            database.write(lambda connection: add("two", connection))
        assert notes(database) == ["one"]
