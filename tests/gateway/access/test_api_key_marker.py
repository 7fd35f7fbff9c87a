"""Marker files that outlive the state database."""

from pathlib import Path

import pytest

from gateway.access.api_key_marker import key_marker, write_key_markers


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "state.db"


def test_there_is_no_marker_before_a_key_is_made(database: Path) -> None:
    assert key_marker(database) is None


def test_each_marker_alone_is_found(database: Path) -> None:
    write_key_markers(database)
    first = key_marker(database)
    assert first is not None
    assert str(database) in first.read_text()
    first.unlink()
    second = key_marker(database)
    assert second not in (None, first)


def test_an_unwritable_folder_is_logged(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    (database.parent.parent / "home").write_text("a file in place of the folder")
    write_key_markers(database)
    assert "cannot be written" in caplog.text
    assert key_marker(database) is not None
