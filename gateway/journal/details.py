"""The title and names of a session, from its messages in the journal. PURE."""

from collections.abc import Iterable

from gateway.journal.event_json import event_of
from gateway.wire import Details

__all__ = ["details_in", "details_of"]

_BEGINNING = '{"type":"details",'
"""Of the message; it never has a channel."""


def details_in(messages: Iterable[str]) -> Details:
    """Return the newest details of a session; numbered 0 if it has had none.

    Args:
        messages: of one session, oldest first, as `event_json` returned them.
    """
    return details_of(next((each for each in reversed([*messages]) if each.startswith(_BEGINNING)), None)) or Details(0)


def details_of(message: str | None) -> Details | None:
    """Return the details of a message of them; None: there is no message."""
    event = None if message is None else event_of(message)
    return event if isinstance(event, Details) else None
