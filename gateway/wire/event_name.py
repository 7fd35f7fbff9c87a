"""Names of caption events: addresses that outlive sessions. PURE."""

import re

from gateway.wire.client_events import ProtocolError

__all__ = ["EVENT_NAME_PATTERN", "is_event_name", "read_event_name"]

EVENT_NAME_PATTERN = "^[a-z0-9][a-z0-9-]{2,63}$"
"""Of a name that people can read out and type: 3 to 64 lower-case letters, digits and hyphens."""

_NAME = re.compile(EVENT_NAME_PATTERN.removesuffix("$") + r"\Z")


def is_event_name(text: str) -> bool:
    """Return whether a text may name a caption event."""
    return _NAME.match(text) is not None


def read_event_name(text: str | None) -> str | None:
    """Return the name of the caption event that a client chooses; None: none.

    Raises:
        ProtocolError: it is no such name.
    """
    if text is not None and not is_event_name(text):
        raise ProtocolError("event is not a name: expected 3 to 64 lower-case letters, digits and hyphens", "event")
    return text
