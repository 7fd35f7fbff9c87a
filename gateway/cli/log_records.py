"""Log records as they may be written: on one line, escaped and short, whatever somebody has put into them."""

import logging

__all__ = ["MAX_RECORD_CHARS", "ShortRecords"]

MAX_RECORD_CHARS = 1_000
"""Our own lines have less than 300. Handlers wrap and colour what they get, on the event loop."""

_MAX_TRACEBACK_CHARS = 10_000
"""The end of a traceback says most, so that is what is kept."""

_formatter = logging.Formatter()


class ShortRecords(logging.Filter):
    """A filter of a handler that lets every record through, formatted once and cut to what is worth reading."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record through; what it is about has become plain text."""
        # an exception's text is written last, and may be as long as what caused it
        record.msg, record.args = _on_one_line(record.getMessage()), None
        if record.exc_info:
            record.exc_text = _without_middle(record.exc_text or _formatter.formatException(record.exc_info))
            record.exc_info = None
        return True


def _on_one_line(text: str) -> str:
    shown = text[:MAX_RECORD_CHARS]
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in shown)[:MAX_RECORD_CHARS]
    return shown if len(text) <= MAX_RECORD_CHARS else f"{shown}… ({len(text)} characters)"


def _without_middle(text: str) -> str:
    if len(text) <= _MAX_TRACEBACK_CHARS:
        return text
    half = _MAX_TRACEBACK_CHARS // 2
    return f"{text[:half]}\n…\n{text[-half:]}"
