"""Errors of sources. PURE."""

from vad.errors import LivecueError

__all__ = ["SourceError", "SourceRefused"]


class SourceError(LivecueError):
    """A stream cannot be opened or read; a later attempt may succeed."""

    code = "source_failed"


class SourceRefused(SourceError):
    """A stream is not read: its URL, or an address that it leads to, is not allowed. No later attempt succeeds."""

    code = "source_refused"
