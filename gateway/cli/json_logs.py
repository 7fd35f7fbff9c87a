"""Log records as JSON, one object a line."""

import logging
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType

import msgspec

from gateway.cli.log_records import short_message, short_text, short_traceback
from gateway.request_context import log_context

__all__ = ["JsonLines", "log_uncaught"]

_PLACEHOLDER = re.compile(r"(?:(?P<key>[a-z][a-z0-9_]*)=)?%(?P<kind>%|[-+ #0]*\d*(?:\.\d+)?[a-zA-Z])")
"""`key=%s` in the text of a record, as all records of the gateway have them."""

_RESERVED = frozenset({"time", "level", "logger", "message", "trace_id", "exception"})

logger = logging.getLogger("livecue")


class JsonLines(logging.Formatter):
    """Formats each record as one JSON object.

    It has `time` (RFC 3339, UTC), `level`, `logger` and `message`; `session` and `trace_id` where they are known; the
    values of `key=value` in the message under their keys, as numbers where they are; and `exception`, a traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's object, without a line break."""
        context = log_context.get()
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": short_message(record),
        }
        if context is not None:
            line["session"] = context.session_id
            if context.trace_id is not None:
                line["trace_id"] = context.trace_id
        line |= {key: value for key, value in _fields(record) if key not in _RESERVED}
        if (traceback := short_traceback(record)) is not None:
            line["exception"] = traceback
        return msgspec.json.encode(line).decode()


def log_uncaught() -> None:
    """Log uncaught exceptions and Python's warnings, which would be printed over several lines."""

    def log(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        logger.critical("uncaught exception", exc_info=(kind, error, trace))

    sys.excepthook = log
    logging.captureWarnings(capture=True)


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    """Yield the keys and values of a record's `key=%s`."""
    if not isinstance(record.args, tuple):
        return
    arguments = iter(record.args)
    for found in _PLACEHOLDER.finditer(str(record.msg)):
        if found["kind"] == "%":
            continue
        value = next(arguments, None)
        if found["key"] is not None:
            yield found["key"], value if isinstance(value, bool | int | float | None) else short_text(str(value))
