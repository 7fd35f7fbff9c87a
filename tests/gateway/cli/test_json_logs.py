"""Log records as JSON: one object a line, with ids, fields and traceback."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from socket import create_server

import pytest

from gateway.cli.json_logs import JsonLines
from gateway.request_context import LogContext, log_context
from tests.commands import serving_command


def line(message: str, *args: object, level: int = logging.INFO, raised: bool = False) -> dict[str, object]:
    exception = sys.exc_info() if raised else None
    record = logging.LogRecord("livecue.session", level, "file", 1, message, args, exception)
    record.created = 1_800_000_000.25
    text = JsonLines().format(record)
    assert "\n" not in text
    parsed = json.loads(text)
    assert isinstance(parsed, dict)
    return parsed


def test_a_record_has_its_time_level_logger_and_message() -> None:
    assert line("certificate reloaded") == {
        "time": "2027-01-15T08:00:00.250+00:00",
        "level": "info",
        "logger": "livecue.session",
        "message": "certificate reloaded",
    }


def test_keys_of_the_message_are_fields_with_their_types() -> None:
    found = line(
        "session closed session=%s outcome=%s audio_s=%.1f finals=%d 100%% of %s", "ab", "finished", 2.25, 3, "x"
    )

    assert {key: found[key] for key in ("session", "outcome", "audio_s", "finals")} == {
        "session": "ab",
        "outcome": "finished",
        "audio_s": 2.25,
        "finals": 3,
    }
    assert found["message"] == "session closed session=ab outcome=finished audio_s=2.2 finals=3 100% of x"


def test_fields_replace_none_of_the_records_own() -> None:
    assert line("level=%s time=%s", "high", "noon")["level"] == "info"


def test_arguments_by_name_stay_in_the_message() -> None:
    found = line("%(a)s", {"a": "b"})
    assert found["message"] == "b"


def test_the_session_and_trace_of_the_task_are_in_each_line() -> None:
    token = log_context.set(LogContext("session-1", "ab" * 16))
    try:
        found = line("engine failed requests=%d", 2)
    finally:
        log_context.reset(token)

    assert (found["session"], found["trace_id"]) == ("session-1", "ab" * 16)


def test_a_session_that_is_not_traced_has_no_trace_id() -> None:
    token = log_context.set(LogContext("session-1"))
    try:
        assert "trace_id" not in line("x")
    finally:
        log_context.reset(token)


def test_a_traceback_is_one_string() -> None:
    try:
        raise ValueError("of the test")
    except ValueError:
        found = line("failed", level=logging.ERROR, raised=True)

    assert str(found["exception"]).startswith("Traceback")
    assert str(found["exception"]).endswith("ValueError: of the test")


def test_what_a_client_sends_is_escaped_and_short() -> None:
    found = line("path=%s", "a\nb\x1b[31m" + "x" * 5_000)

    assert str(found["path"]).startswith("a\\nb\\x1b[31m")
    assert len(str(found["path"])) < 1_100


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_line_of_a_gateway_is_wrapped_where_standard_error_is_no_terminal(
    tmp_path: Path, log_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    with serving_command(tmp_path, "--log-format", log_format) as command:
        log = command.log_until("engine ready")
    *_, ready = log.splitlines()
    assert len(ready) > 60
    if log_format == "json":
        assert [json.loads(each)["level"] for each in log.splitlines()] == ["info"] * len(log.splitlines())
        assert json.loads(ready)["engine"] == "scripted"
    else:
        assert ready.endswith("engine ready engine=scripted model=script device=none")


def test_the_error_that_ends_a_command_is_a_record_too(tmp_path: Path) -> None:
    with create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(  # noqa: S603  # our own command
            [sys.executable, "-m", "gateway", "serve", "--engine", "scripted", "--log-format", "json", "--port", port],
            env=os.environ | {"XDG_DATA_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert ended.returncode == 2
    *_, last = (json.loads(each) for each in ended.stderr.splitlines())
    assert (last["level"], last["logger"]) == ("critical", "livecue")
    assert "Address already in use" in last["message"]
