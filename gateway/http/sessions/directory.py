"""Look-up of sessions, live or in the journal, for callers that watch, read or delete them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from starlette.requests import HTTPConnection

from gateway.access.audit_record import AuditEvent
from gateway.access.caller import Caller
from gateway.access.credentials import address_of, authorization_of
from gateway.access.scopes import Scope
from gateway.access.view_tokens import ViewTokens, is_view_token
from gateway.delivery.broadcast import Broadcast
from gateway.errors import GatewayError, NotFound, SessionOpen, Unauthorized, Unavailable
from gateway.journal.journal import Entry, Journal
from gateway.runtime import Gateway
from gateway.sqlite import StateUnavailable

__all__ = ["SessionDirectory", "SessionRecord", "journal_errors_hidden", "view_token_of"]

_MAX_ID_CHARS = 100
"""Of a session's id, in an error message."""


_ANONYMOUS = Caller(None)


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session that a caller may see.

    Attributes:
        session_id: of it.
        watched: its broadcast, if it is live here; None: it is not.
        entry: of the journal, if it is not live here; None: it is.
        is_over: whether it has ended and cannot be resumed.
        caller: who requested it.
        expires_s: expiry of the view token by which it was requested, in seconds since 1970; None: it was a key.
        last_seq: number of its newest event, if it may be live at another gateway; None: it is not.
    """

    session_id: str
    watched: Broadcast | None
    entry: Entry | None
    is_over: bool
    caller: Caller = _ANONYMOUS
    expires_s: float | None = None
    last_seq: int | None = None

    @property
    def owner(self) -> str | None:
        """Name of the key that opened it; None: no key."""
        if self.watched is not None:
            return self.watched.info.owner
        assert self.entry is not None, "either live or in the journal"
        return self.entry.owner

    @property
    def event(self) -> str | None:
        """Name of its caption event; None: it has none."""
        if self.watched is not None:
            return self.watched.info.event
        assert self.entry is not None, "either live or in the journal"
        return self.entry.event

    @property
    def opened_s(self) -> float:
        """When it was opened, in seconds since 1970."""
        if self.watched is not None:
            return self.watched.info.opened_s
        assert self.entry is not None, "either live or in the journal"
        return self.entry.opened_s


class SessionDirectory:
    """The sessions of a gateway, and which of them a caller may see.

    A key gives access to the sessions that it, or a key of the same owner, opened; with the scope admin to all; a view
    token to one, or to those of a caption event. Methods that take a request also raise the errors of
    `Authenticator.admit`.

    Args:
        gateway: running.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.journal = gateway.sessions.journal
        """Has the sessions that are over; None: no journal."""
        self._authenticator = gateway.authenticator
        self._audit = gateway.audit
        self._watching = gateway.sessions.broadcaster
        self._grace_s = gateway.settings.session.grace_s
        self._tokens = None if self.journal is None else ViewTokens(self.journal.store, self._authenticator.is_revoked)

    def journal_of(self, record: SessionRecord) -> Journal | None:
        """Return the journal, if it has the events of a session; None: it does not."""
        if record.watched is not None and (self.journal is None or not self.journal.is_enabled):
            return None
        return self.journal

    async def all(self, connection: HTTPConnection, *, with_past: bool) -> list[SessionRecord]:
        """Return the sessions that a key gives access to, the oldest first.

        Raises:
            Unauthorized: it is not a key.
            Unavailable: the journal cannot be read.
        """
        caller = await self._admit(connection, Scope.READ)
        entries: list[Entry] = []
        if with_past and self.journal is not None:
            with journal_errors_hidden():
                entries = await self.journal.entries()
        live = {name: _live_record(name, watched) for name, watched in self._watching.open_sessions().items()}
        past = [self._past_record(entry) for entry in entries if entry.session_id not in live]
        visible = [record for record in (*past, *live.values()) if self._may_see(caller, record)]
        return sorted(visible, key=lambda record: record.opened_s)

    async def own(self, connection: HTTPConnection, session_id: str, scope: Scope = Scope.READ) -> SessionRecord:
        """Return a session that a key with a scope gives access to.

        Raises:
            Unauthorized: it is not a key.
            NotFound: no such session that it gives access to.
            Unavailable: the journal cannot be read.
        """
        caller = await self._admit(connection, scope)
        record = await self.look_up(session_id)
        if record is None or not self._may_see(caller, record):
            raise _not_found(session_id)
        return replace(record, caller=caller)

    async def find(self, connection: HTTPConnection, session_id: str) -> SessionRecord:
        """Return a session that a key or a view token gives access to.

        Raises:
            Unauthorized: it is neither, or the token is for another session.
            NotFound: no such session that it gives access to.
            Unavailable: the journal cannot be read.
        """
        token = view_token_of(connection)
        if token is None or self._authenticator.is_open or self._tokens is None:
            return await self.own(connection, session_id)
        try:
            with journal_errors_hidden():
                redeemed = await self._tokens.redeem(token)
            record = await self.look_up(session_id)
            if not redeemed.covers(session_id, None if record is None else record.event):
                raise Unauthorized("this view token is for another session")
        except Unauthorized as error:
            self._authenticator.count_failure(error, address_of(connection))
            raise
        if record is None:
            raise _not_found(session_id)
        caller = Caller(None, address_of(connection), frozenset({Scope.READ}))
        return replace(record, caller=caller, expires_s=redeemed.expires_s)

    def record(self, event: AuditEvent, record: SessionRecord, **facts: str) -> None:
        """Record in the audit log what the caller of a session does with it."""
        actor = None if record.expires_s is None else "view_token"
        self._audit.record(event, record.caller, actor=actor, session=record.session_id, **facts)

    async def is_still_allowed(self, connection: HTTPConnection, record: SessionRecord) -> bool:
        """Return whether the credentials of a request are still valid, as far as can be found out.

        A view token that expires remains valid until the connection ends; a revoked one does not.
        """
        token = view_token_of(connection)
        if record.expires_s is None or token is None or self._tokens is None:
            return self._is_still_admitted(record.caller)
        if time.time() >= record.expires_s:
            return True
        try:
            redeemed = await self._tokens.redeem(token)
        except Unauthorized:
            return False
        except StateUnavailable:
            return True
        return redeemed.covers(record.session_id, record.event)

    async def delete(self, record: SessionRecord) -> None:
        """Delete a session that is over.

        Raises:
            SessionOpen: it is not, or its client may still resume it.
            NotFound: another caller has deleted it.
            Unavailable: the journal cannot be written.
        """
        if not record.is_over:
            raise _open(record.session_id)
        assert self.journal is not None, "not live, so the journal has it"
        with journal_errors_hidden():
            is_deleted = await self.journal.delete(record.session_id)
        if record.session_id in self._watching.open_sessions():
            raise _open(record.session_id)
        if not is_deleted:
            raise _not_found(record.session_id)
        self.record(AuditEvent.SESSION_DELETED, record)

    async def create_token(self, record: SessionRecord, lifetime_s: int) -> tuple[str, int]:
        """Return a new view token of a session, and its expiry in seconds since 1970.

        Raises:
            Unavailable: the journal cannot be written.
        """
        if self._tokens is None:
            raise Unavailable("view tokens need the journal, which is not available")
        with journal_errors_hidden():
            created = await self._tokens.create(record.session_id, lifetime_s, record.caller.name)
        self.record(AuditEvent.VIEW_TOKEN_CREATED, record)
        return created

    async def revoke_tokens(self, record: SessionRecord) -> None:
        """Revoke all view tokens of a session.

        Raises:
            Unavailable: the journal cannot be written.
        """
        if self._tokens is not None:
            with journal_errors_hidden():
                await self._tokens.revoke_all(record.session_id)
            self.record(AuditEvent.VIEW_TOKENS_REVOKED, record)

    def _is_still_admitted(self, caller: Caller) -> bool:
        try:
            self._authenticator.credentials.check(caller, Scope.READ)
        except GatewayError:
            return False
        return True

    async def _admit(self, connection: HTTPConnection, scope: Scope) -> Caller:
        authorization = authorization_of(connection)
        if is_view_token(_secret_of(authorization)) and not self._authenticator.is_open:
            raise Unauthorized("a view token only gives access to one session: expected an API key")
        return await self._authenticator.admit(authorization, address_of(connection), scope=scope)

    async def look_up(self, session_id: str) -> SessionRecord | None:
        """Return a session, whoever may see it; None: no such session.

        Raises:
            Unavailable: the journal cannot be read.
        """
        watched = self._watching.open_sessions().get(session_id)
        if watched is not None:
            return _live_record(session_id, watched)
        if self.journal is None:
            return None
        with journal_errors_hidden():
            entry = await self.journal.find(session_id)
            last_seq = await self.journal.store.last_seq(session_id) if self.journal.store.is_shared else None
        watched = self._watching.open_sessions().get(session_id)  # it may have been resumed meanwhile
        if watched is not None:
            return _live_record(session_id, watched)
        record = None if entry is None else self._past_record(entry)
        return record if record is None or record.is_over else replace(record, last_seq=last_seq)

    def _past_record(self, entry: Entry) -> SessionRecord:
        # a session left open by a crash cannot be resumed after the grace time; a later sweep ends it
        is_over = entry.ended_s is not None or time.time() - entry.touched_s > self._grace_s
        return SessionRecord(entry.session_id, None, entry, is_over)

    def _may_see(self, caller: Caller, record: SessionRecord) -> bool:
        return caller.sees_all or record.owner == caller.owner


@contextmanager
def journal_errors_hidden() -> Iterator[None]:
    """Hide the journal's path from clients when it cannot be read or written.

    Raises:
        Unavailable: instead of the journal's own error.
    """
    try:
        yield
    except StateUnavailable as error:
        raise Unavailable("the journal cannot be read or written at the moment") from error


def _live_record(session_id: str, watched: Broadcast) -> SessionRecord:
    return SessionRecord(session_id, watched, None, is_over=False)


def view_token_of(connection: HTTPConnection) -> str | None:
    """Return the view token of a request; None: no token, or a key, which takes precedence."""
    secret = _secret_of(authorization_of(connection))
    if secret:
        return secret if is_view_token(secret) else None
    return connection.query_params.get("token")


def _secret_of(authorization: str | None) -> str:
    scheme, _, secret = (authorization or "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _not_found(session_id: str) -> NotFound:
    name = session_id[:_MAX_ID_CHARS]
    return NotFound(f"no session {name!r}: /v1/sessions?all=true lists all", "session_id")


def _open(session_id: str) -> SessionOpen:
    return SessionOpen(f"session {session_id} is open, or may still be resumed: delete it when it is over")
