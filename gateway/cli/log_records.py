"""Sanitizes log records: one line, escaped and short, whatever a client has put into them."""

import logging

__all__ = ["MAX_RECORD_CHARS", "ShortRecords", "short_message", "short_text", "short_traceback"]

MAX_RECORD_CHARS = 1_000
"""livecue's own records have less than 300. Handlers format them on the event loop."""

_MAX_TRACEBACK_CHARS = 10_000
"""Of a traceback. Its beginning and end are kept."""

_formatter = logging.Formatter()


class ShortRecords(logging.Filter):
    """A filter that passes every record, formatted and truncated."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass a record, and replace its arguments and exception by plain text."""
        record.exc_text = short_traceback(record)
        record.msg, record.args, record.exc_info = short_message(record), None, None
        return True


def short_message(record: logging.LogRecord) -> str:
    """Return the message of a record, on one line."""
    # the text of an exception may contain all of its input
    return short_text(record.getMessage())


def short_traceback(record: logging.LogRecord) -> str | None:
    """Return the traceback of a record, without its middle if it is long; None: it has none."""
    if not record.exc_info:
        return record.exc_text
    return _without_middle(record.exc_text or _formatter.formatException(record.exc_info))


def short_text(text: str) -> str:
    """Return a text on one line, escaped and truncated."""
    line = text[:MAX_RECORD_CHARS]
    if not line.isprintable():
        line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)[:MAX_RECORD_CHARS]
    return line if len(text) <= MAX_RECORD_CHARS else f"{line}… ({len(text)} characters)"


def _without_middle(text: str) -> str:
    if len(text) <= _MAX_TRACEBACK_CHARS:
        return text
    half = _MAX_TRACEBACK_CHARS // 2
    return f"{text[:half]}\n…\n{text[-half:]}"
