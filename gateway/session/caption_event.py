"""Opens sessions at the address of a caption event. While the journal is unavailable, captions go on without it."""

from gateway.errors import Conflict
from gateway.session.context import SessionContext
from gateway.session.session import Session
from gateway.sqlite import StateUnavailable
from gateway.wire import ProtocolError

__all__ = ["check_event", "enter_event"]


async def check_event(context: SessionContext, event: str | None, owner: str | None) -> bool:
    """Return whether a session of an owner belongs to a caption event: not if that cannot be found out.

    Raises:
        ProtocolError: the owner has no such event.
    """
    if event is None:
        return False
    if context.journal is None:
        raise ProtocolError("caption events need the journal, which this gateway has not", "event")
    try:
        await context.journal.caption_events.check_owner(event, owner)
    except Conflict as error:
        raise ProtocolError(str(error), error.field) from error
    except StateUnavailable:
        return False
    return True


async def enter_event(context: SessionContext, session: Session, event: str | None) -> None:
    """Make an open session the current one of its caption event, or warn its client that it is not."""
    if event is None:
        return
    assert context.journal is not None, "the event was checked"
    try:
        if session.info.event is None:
            raise StateUnavailable("the event could not be checked")
        await context.journal.caption_events.set_session(event, session.session_id)
    except StateUnavailable:
        message = f"the journal is unavailable: this session cannot be watched at the address of {event}"
        session.parts.output.log.append_warning("event_unavailable", message)
