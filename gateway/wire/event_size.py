"""The approximate memory of an event, by which queues are bounded. PURE."""

from gateway.wire import (
    Correction,
    Cue,
    CueEvent,
    DialectMessage,
    Eager,
    Error,
    Final,
    Flushed,
    Note,
    Partial,
    ServerEvent,
    Warning,
)
from gateway.wire.server_events import without_channel

__all__ = ["bytes_of"]

_EVENT_BYTES = 300
"""An event with its numbers, and its place in a queue."""

_WORD_BYTES = 150
"""A word with its times."""


def bytes_of(event: ServerEvent) -> int:
    """Return the approximate memory of an event, in bytes."""
    match without_channel(event):
        case DialectMessage(Note() as note):
            return _EVENT_BYTES + note.size_bytes
        case DialectMessage(str() | bytes() as message):
            return _EVENT_BYTES + _bytes(message)
        case Final(text=text, words=words):
            return _EVENT_BYTES + _bytes(text) + _WORD_BYTES * len(words)
        case Partial(committed=committed, tail=tail):
            return _EVENT_BYTES + _WORD_BYTES * (len(committed) + len(tail))
        case CueEvent(_, cue):
            return _cue_bytes(cue)
        case Correction(text=text, cues=cues, words=words):
            return _EVENT_BYTES + _bytes(text) + sum(map(_cue_bytes, cues)) + _WORD_BYTES * len(words)
        case Eager(text=text) | Warning(message=text) | Error(message=text) | Flushed(flush_id=text):
            return _EVENT_BYTES + _bytes(text)
        case _:
            return _EVENT_BYTES


def _cue_bytes(cue: Cue) -> int:
    return _EVENT_BYTES + sum(map(_bytes, cue.lines))


def _bytes(message: str | bytes) -> int:
    return len(message) if isinstance(message, bytes) or message.isascii() else len(message.encode())
