"""Sanitizes log records: one line, escaped and short, whatever a client has put into them."""

import logging

__all__ = ["MAX_RECORD_CHARS", "ShortRecords"]

MAX_RECORD_CHARS = 1_000
"""livecue's own records have less than 300. Handlers format them on the event loop."""

_MAX_TRACEBACK_CHARS = 10_000
"""Of a traceback. Its beginning and end are kept."""

_formatter = logging.Formatter()


class ShortRecords(logging.Filter):
    """A filter that passes every record, formatted and truncated."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass a record, and replace its arguments and exception by plain text."""
        # the text of an exception may contain all of its input
        record.msg, record.args = _on_one_line(record.getMessage()), None
        if record.exc_info:
            record.exc_text = _without_middle(record.exc_text or _formatter.formatException(record.exc_info))
            record.exc_info = None
        return True


def _on_one_line(text: str) -> str:
    line = text[:MAX_RECORD_CHARS]
    if not line.isprintable():
        line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)[:MAX_RECORD_CHARS]
    return line if len(text) <= MAX_RECORD_CHARS else f"{line}… ({len(text)} characters)"


def _without_middle(text: str) -> str:
    if len(text) <= _MAX_TRACEBACK_CHARS:
        return text
    half = _MAX_TRACEBACK_CHARS // 2
    return f"{text[:half]}\n…\n{text[-half:]}"
