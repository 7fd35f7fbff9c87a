"""The audit log of a running gateway: what a failing, hanging or missing disk does to it."""

import json
import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from gateway.access import audit_log as module
from gateway.access.audit_file import AuditFile
from gateway.access.audit_log import AuditLog, open_audit_log
from gateway.access.audit_record import AuditEvent
from gateway.access.caller import Caller
from gateway.access_settings import AuditSettings
from gateway.errors import ConfigurationError, Unavailable

STUDIO = Caller("studio", "192.0.2.7")


class Disk(AuditFile):
    """A file whose disk fails on demand."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.is_full = False
        self.gate: threading.Event | None = None

    def append(self, lines: Sequence[bytes]) -> int:
        if self.gate is not None:
            self.gate.wait(10)
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().append(lines)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture(autouse=True)
def _retries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_S", 0.0)


def records(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def until_it_fails(log: AuditLog) -> None:
    with anyio.fail_after(5):
        while not log.failures:
            await anyio.lowlevel.checkpoint()


async def test_records_are_in_the_file_when_the_gateway_has_stopped(path: Path) -> None:
    async with open_audit_log(AuditSettings(path)) as log:
        for number in range(3):
            log.record(AuditEvent.SESSION_OPENED, STUDIO, session=str(number))
        log.record(AuditEvent.TRANSCRIPT_READ, Caller(None, "192.0.2.8"), actor="view_token", session="2")
        log.check()
    assert [(each["event"], each["actor"], each["session"]) for each in records(path)] == [
        ("session.opened", "key:studio", "0"),
        ("session.opened", "key:studio", "1"),
        ("session.opened", "key:studio", "2"),
        ("transcript.read", "view_token", "2"),
    ]
    assert (log.written, log.lost, log.failures) == (4, 0, 0)


async def test_without_a_path_nothing_is_recorded_and_nothing_refused() -> None:
    async with open_audit_log(AuditSettings()) as log:
        log.record(AuditEvent.SESSION_OPENED, STUDIO)
        log.check()
    assert (log.written, log.lost) == (0, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (AuditSettings(Path("/nonexistent/audit.jsonl")), "audit.path = '/nonexistent/audit.jsonl': No such file"),
        (AuditSettings(required=True), "audit.required is true, but audit.path is not set"),
    ],
)
async def test_a_log_that_cannot_be_kept_is_refused_at_the_start(settings: AuditSettings, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        async with open_audit_log(settings):
            pass


@pytest.mark.parametrize("is_required", [False, True])
async def test_a_full_disk_is_counted_and_logged_once_and_the_records_follow_when_there_is_room(
    path: Path, is_required: bool, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(path)
    disk.is_full = True
    log = AuditLog(disk, is_required=is_required)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log.run)
        log.record(AuditEvent.SESSION_OPENED, STUDIO, session="1")
        await until_it_fails(log)
        if is_required:
            with pytest.raises(Unavailable, match="the audit log cannot be written at the moment"):
                log.check()
        else:
            log.check()
        log.record(AuditEvent.SESSION_OPENED, STUDIO, session="2")
        disk.is_full = False
        with anyio.fail_after(5):
            await log.flushed()
        log.check()
        tasks.cancel_scope.cancel()
    disk.close()
    assert [each["session"] for each in records(path)] == ["1", "2"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR], "not once a second"
    assert "No space left on device" in caplog.text
    assert str(path) not in caplog.text


@pytest.mark.parametrize("is_required", [False, True])
async def test_a_hanging_disk_delays_nobody_and_what_does_not_fit_into_memory_is_counted(
    path: Path, is_required: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_WAITING", 3)
    disk = Disk(path)
    disk.gate = threading.Event()
    log = AuditLog(disk, is_required=is_required)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log.run)
        for number in range(5):
            log.record(AuditEvent.SESSION_OPENED, STUDIO, session=str(number))
            await anyio.lowlevel.checkpoint()
        assert log.lost == 2
        if is_required:
            with pytest.raises(Unavailable):
                log.check()
        else:
            log.check()
        disk.gate.set()
        with anyio.fail_after(5):
            await log.flushed()
        log.check()
        tasks.cancel_scope.cancel()
    disk.close()
    assert [each["session"] for each in records(path)] == ["0", "1", "2"]


async def test_a_gateway_that_stops_waits_for_a_failing_disk_only_so_long_and_counts_what_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_LAST_WRITE_S", 0.05)
    monkeypatch.setattr(module, "_RETRY_S", 0.01)
    monkeypatch.setattr(module, "AuditFile", Disk)
    monkeypatch.setattr(Disk, "append", lambda self, lines: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    async with open_audit_log(AuditSettings(path)) as log:
        log.record(AuditEvent.SESSION_OPENED, STUDIO)
    assert log.lost == 1
    assert "audit records are lost records=1" in caplog.text
