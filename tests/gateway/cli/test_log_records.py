"""Log records are one line, escaped and short."""

import logging
import sys

from gateway.cli.log_records import MAX_RECORD_CHARS, ShortRecords


def record(message: str, *args: object) -> logging.LogRecord:
    made = logging.LogRecord("livecue", logging.WARNING, "file", 1, message, args, None)
    assert ShortRecords().filter(made)
    return made


def test_control_characters_are_escaped() -> None:
    assert record("path=%s", "a\nb\x1b[31m").getMessage() == "path=a\\nb\\x1b[31m"


def test_a_long_record_is_truncated_with_its_length() -> None:
    text = record("%s", "x" * 5_000).getMessage()
    assert text == "x" * MAX_RECORD_CHARS + "… (5000 characters)"


def test_a_long_traceback_keeps_its_beginning_and_end() -> None:
    try:
        raise ValueError("y" * 50_000 + "end")
    except ValueError:
        made = logging.LogRecord("livecue", logging.ERROR, "file", 1, "failed", (), sys.exc_info())
    ShortRecords().filter(made)
    assert made.exc_info is None
    assert made.exc_text is not None
    assert len(made.exc_text) < 11_000
    assert made.exc_text.startswith("Traceback")
    assert made.exc_text.endswith("end")
