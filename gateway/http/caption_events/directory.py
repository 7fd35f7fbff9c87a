"""Look-up of caption events for callers that create, watch or delete them."""

from dataclasses import dataclass, replace
from enum import StrEnum

from starlette.requests import HTTPConnection

from gateway.access.audit_record import AuditEvent
from gateway.access.caller import Caller
from gateway.access.credentials import address_of, authorization_of
from gateway.access.scopes import Scope
from gateway.access.view_tokens import ViewTokens
from gateway.errors import Conflict, NotFound, Unauthorized, Unavailable
from gateway.http.sessions.directory import SessionDirectory, journal_errors_hidden, view_token_of
from gateway.journal.caption_events import CaptionEvents
from gateway.journal.store import CaptionEvent, event_subject
from gateway.runtime import Gateway

__all__ = ["CaptionEventDirectory", "EventState", "FoundEvent"]


class EventState(StrEnum):
    """What viewers of a caption event see."""

    WAITING = "waiting"
    """It has no session."""
    LIVE = "live"
    """Its current session is open, or may still be resumed."""
    ENDED = "ended"
    """Its current session is over, and can be read."""


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """A caption event that a caller may see.

    Attributes:
        event: as it is stored.
        caller: who requested it.
    """

    event: CaptionEvent
    caller: Caller


class CaptionEventDirectory:
    """The caption events of a gateway, and which of them a caller may see.

    A key gives access to its owner's; with the scope admin to all; a view token of the event to one. Methods that take
    a request also raise the errors of `Authenticator.admit`; all raise `Unavailable` if the journal is out of reach.

    Args:
        gateway: running.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._authenticator = gateway.authenticator
        self._audit = gateway.audit
        self._sessions = SessionDirectory(gateway)
        journal = gateway.sessions.journal
        self._events = None if journal is None else journal.caption_events
        self._tokens = None if journal is None else ViewTokens(journal.store, self._authenticator.is_revoked)

    @property
    def events(self) -> CaptionEvents:
        """The events.

        Raises:
            Unavailable: there is no journal.
        """
        if self._events is None:
            raise Unavailable("caption events need the journal, which is not available")
        return self._events

    async def admit(self, connection: HTTPConnection, scope: Scope) -> Caller:
        """Return the caller of a request that has a scope."""
        return await self._authenticator.admit(authorization_of(connection), address_of(connection), scope=scope)

    async def all(self, caller: Caller) -> list[CaptionEvent]:
        """Return the events that a caller sees, the oldest first."""
        with journal_errors_hidden():
            return [event for event in await self.events.all() if _may_see(caller, event)]

    async def find(self, connection: HTTPConnection, name: str) -> FoundEvent:
        """Return an event that a key or a view token gives access to.

        Raises:
            Unauthorized: it is neither, or the token is for something else.
            NotFound: no such event that it gives access to.
        """
        token = view_token_of(connection)
        if token is None or self._authenticator.is_open or self._tokens is None:
            return await self.own(await self.admit(connection, Scope.READ), name)
        try:
            with journal_errors_hidden():
                redeemed = await self._tokens.redeem(token)
            if not redeemed.covers(None, name):
                raise Unauthorized("this view token is not for this caption event")
        except Unauthorized as error:
            self._authenticator.count_failure(error, address_of(connection))
            raise
        caller = Caller(None, address_of(connection), frozenset({Scope.READ}))
        return FoundEvent(await self.look_up(name), caller)

    async def own(self, caller: Caller, name: str) -> FoundEvent:
        """Return an event that a key gives access to.

        Raises:
            NotFound: no such event that it gives access to.
        """
        event = await self.look_up(name)
        if not _may_see(caller, event):
            raise _not_found(name)
        return FoundEvent(event, caller)

    async def put(self, caller: Caller, name: str, title: str | None, *, keeps_title: bool) -> CaptionEvent:
        """Create an event, or rename it.

        Args:
            caller: whose it is, or becomes.
            name: of the event.
            title: of the event.
            keeps_title: whether an event that exists keeps its own title.

        Raises:
            Conflict: the name is taken by another owner.
            InvalidRequest: the owner has too many events.
        """
        with journal_errors_hidden():
            event = await self.events.find(name)
            if event is None and (event := await self.events.add(name, caller.owner, title)) is not None:
                self._audit.record(AuditEvent.EVENT_CREATED, caller, caption_event=name)
                return event
            if event is None or not _may_see(caller, event):
                raise Conflict(f"caption event {name!r} belongs to another key: choose another name", "event")
            if keeps_title or event.title == title:
                return event
            await self.events.set_title(name, title)
        self._audit.record(AuditEvent.EVENT_CHANGED, caller, caption_event=name)
        return replace(event, title=title)

    async def delete(self, found: FoundEvent) -> None:
        """Delete an event with its view tokens; its sessions stay."""
        name = found.event.name
        with journal_errors_hidden():
            await self.events.delete(name)
        self._audit.record(AuditEvent.EVENT_DELETED, found.caller, caption_event=name)

    async def create_token(self, caller: Caller, name: str, lifetime_s: int) -> tuple[str | None, int | None]:
        """Return a new view token of an event and its expiry in seconds since 1970; None: no caller needs one."""
        if self._authenticator.is_open or self._tokens is None:
            return None, None
        with journal_errors_hidden():
            created = await self._tokens.create(event_subject(name), lifetime_s, caller.name)
        self._audit.record(AuditEvent.VIEW_TOKEN_CREATED, caller, caption_event=name)
        return created

    async def revoke_tokens(self, found: FoundEvent) -> None:
        """Revoke all view tokens of an event."""
        assert self._tokens is not None, "there is a journal, which has the event"
        with journal_errors_hidden():
            await self._tokens.revoke_all(event_subject(found.event.name))
        self._audit.record(AuditEvent.VIEW_TOKENS_REVOKED, found.caller, caption_event=found.event.name)

    async def session_of(self, event: CaptionEvent) -> tuple[EventState, str | None]:
        """Return what viewers of an event see, and the id of its current session; None: it has none."""
        record = None if event.session_id is None else await self._sessions.look_up(event.session_id)
        if record is None:
            return EventState.WAITING, None
        return EventState.ENDED if record.is_over else EventState.LIVE, record.session_id

    async def look_up(self, name: str) -> CaptionEvent:
        """Return an event, whoever may see it.

        Raises:
            NotFound: no such event.
        """
        with journal_errors_hidden():
            event = await self.events.find(name)
        if event is None:
            raise _not_found(name)
        return event


def _may_see(caller: Caller, event: CaptionEvent) -> bool:
    return caller.sees_all or event.owner == caller.owner


def _not_found(name: str) -> NotFound:
    return NotFound(f"no caption event {name!r}: PUT /v1/events/{name} creates it", "event")
