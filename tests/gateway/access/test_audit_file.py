"""The file of the audit log: rotation, a full disk, several writers."""

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.access.audit_file import AuditFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def file(path: Path) -> Iterator[AuditFile]:
    with closing(AuditFile(path)) as file:
        yield file


def test_lines_are_appended_to_what_is_there_and_only_the_owner_may_read_a_new_file(
    path: Path, file: AuditFile
) -> None:
    assert file.append([b"one\n", b"two\n"]) == 2
    file.close()
    assert file.append([b"three\n"]) == 1
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_after_a_rotation_lines_go_to_a_new_file(path: Path, file: AuditFile) -> None:
    file.append([b"one\n"])
    path.rename(path.with_suffix(".1"))
    file.append([b"two\n"])
    path.unlink()
    file.append([b"three\n"])
    assert path.with_suffix(".1").read_bytes() == b"one\n"
    assert path.read_bytes() == b"three\n"


def test_a_rotation_that_has_made_the_new_file_itself_is_noticed_too(path: Path, file: AuditFile) -> None:
    file.append([b"one\n"])
    path.rename(path.with_suffix(".1"))
    path.touch()
    file.append([b"two\n"])
    assert path.read_bytes() == b"two\n"


def test_a_file_that_cannot_be_opened_is_an_error_of_check_and_append(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "audit.jsonl"):
        file = AuditFile(path)
        with pytest.raises(OSError, match="directory"):
            file.check()
        with pytest.raises(OSError, match="directory"):
            file.append([b"one\n"])


def test_a_line_cut_short_by_a_full_disk_does_not_spoil_the_next(
    path: Path, file: AuditFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room = os.write, [4, 2, 0]

    def write_what_fits(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[: room.pop(0)] if room else data)

    monkeypatch.setattr("os.write", write_what_fits)
    assert file.append([b"one\n", b"two\n", b"three\n"]) == 1, "the second did not fit"
    with pytest.raises(OSError, match="only 0 of 5 bytes were written"):
        file.append([b"two\n"])
    assert file.append([b"two\n", b"three\n"]) == 2
    assert path.read_bytes() == b"one\ntw\ntwo\nthree\n"


def test_lines_of_several_writers_do_not_mix(path: Path) -> None:
    def write(letter: bytes) -> None:
        with closing(AuditFile(path)) as file:
            for _ in range(50):
                file.append([letter * 500 + b"\n"])

    writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = path.read_bytes().splitlines()
    assert sorted(lines) == sorted([b"a" * 500] * 50 + [b"b" * 500] * 50 + [b"c" * 500] * 50)
