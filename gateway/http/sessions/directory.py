"""Sessions as those find them who want to watch, read or delete one: live, or in the journal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from starlette.requests import HTTPConnection

from gateway.access.authenticator import Caller
from gateway.access.credentials import address_of, authorization_of
from gateway.access.view_tokens import ViewTokens, is_view_token
from gateway.delivery.broadcast import Broadcast
from gateway.errors import NotFound, SessionOpen, Unauthorized, Unavailable
from gateway.journal.journal import Entry, Journal
from gateway.runtime import Gateway
from gateway.sqlite import StateUnavailable

__all__ = ["SessionDirectory", "SessionRecord", "journal_at_hand"]

_MAX_SHOWN_CHARS = 100
"""Of a session's id, in the refusal of it."""


_ANYBODY = Caller(None)


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session that somebody may see.

    Attributes:
        session_id: of it.
        watched: where it is live here; None: it is not.
        entry: what the journal has of one that is not live; None: it is live.
        is_over: whether nothing will be said in it any more.
        seen_by: who asked for it.
        expires_s: when the view token expires that shows it, in seconds since 1970; None: it was a key.
    """

    session_id: str
    watched: Broadcast | None
    entry: Entry | None
    is_over: bool
    seen_by: Caller = _ANYBODY
    expires_s: float | None = None

    @property
    def owner(self) -> str | None:
        """Name of the key that opened it; None: it was opened without one."""
        if self.watched is not None:
            return self.watched.subject.owner
        assert self.entry is not None, "one of the two is there"
        return self.entry.owner

    @property
    def opened_s(self) -> float:
        """When it was opened, in seconds since 1970."""
        if self.watched is not None:
            return self.watched.subject.opened_s
        assert self.entry is not None, "one of the two is there"
        return self.entry.opened_s


class SessionDirectory:
    """The sessions of a gateway, and who may see which.

    A key shows the sessions that it opened, one of the settings all. A view token shows one session. All methods take
    the request of whoever wants to see, and raise what the doorkeeper raises.

    Args:
        gateway: at work.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.journal = gateway.sessions.journal
        """Where those are that are over; None: nowhere."""
        self._authenticator = gateway.authenticator
        self._watching = gateway.sessions.watching
        self._grace_s = gateway.settings.session.grace_s
        self._tokens = None if self.journal is None else ViewTokens(self.journal, self._authenticator.is_revoked)

    def journal_of(self, shown: SessionRecord) -> Journal | None:
        """Return the journal, if it has the events of a session; None: it has not."""
        if shown.watched is not None and (self.journal is None or not self.journal.is_enabled):
            return None
        return self.journal

    async def all(self, connection: HTTPConnection, *, with_past: bool) -> list[SessionRecord]:
        """Return the sessions that a key shows, the oldest first.

        Raises:
            Unauthorized: it is none.
            Unavailable: the journal cannot be read.
        """
        caller = await self._admit(connection)
        entries: list[Entry] = []
        if with_past and self.journal is not None:
            with journal_at_hand():
                entries = await self.journal.entries()
        live = {name: _live(name, watched) for name, watched in self._watching.open_sessions().items()}
        past = [self._past(entry) for entry in entries if entry.session_id not in live]
        seen = [shown for shown in (*past, *live.values()) if self._sees(caller, shown)]
        return sorted(seen, key=lambda shown: shown.opened_s)

    async def own(self, connection: HTTPConnection, session_id: str) -> SessionRecord:
        """Return a session that a key shows.

        Raises:
            Unauthorized: it is none.
            NotFound: it shows no such session.
            Unavailable: the journal cannot be read.
        """
        caller = await self._admit(connection)
        shown = await self._look_up(session_id)
        if shown is None or not self._sees(caller, shown):
            raise _not_found(session_id)
        return replace(shown, seen_by=caller)

    async def find(self, connection: HTTPConnection, session_id: str) -> SessionRecord:
        """Return a session that a key or a view token shows.

        Raises:
            Unauthorized: it is neither, or a token for another session.
            NotFound: it shows no such session.
            Unavailable: the journal cannot be read.
        """
        token = _view_token_of(connection)
        if token is None or self._authenticator.is_open or self._tokens is None:
            return await self.own(connection, session_id)
        try:
            with journal_at_hand():
                redeemed = await self._tokens.redeem(token, session_id)
        except Unauthorized as error:
            self._authenticator.count_failure(error, address_of(connection))
            raise
        shown = await self._look_up(session_id)
        if shown is None:
            raise _not_found(session_id)
        return replace(shown, seen_by=Caller(None, address_of(connection)), expires_s=redeemed.expires_s)

    async def still_shows(self, connection: HTTPConnection, shown: SessionRecord) -> bool:
        """Return whether what has shown a session has not been revoked; where that cannot be found out, it has not.

        A token that expires shows it to whoever watches until the connection ends.
        """
        token, name = _view_token_of(connection), shown.seen_by.name
        if shown.expires_s is None or token is None or self._tokens is None:
            return name is None or not self._authenticator.is_revoked(name)
        if time.time() >= shown.expires_s:
            return True
        try:
            await self._tokens.redeem(token, shown.session_id)
        except Unauthorized:
            return False
        except StateUnavailable:
            return True
        return True

    async def delete(self, shown: SessionRecord) -> None:
        """Delete a session that is over.

        Raises:
            SessionOpen: it is not, or its client may still come back.
            NotFound: somebody else was faster.
            Unavailable: the journal cannot be written.
        """
        if not shown.is_over:
            raise _open(shown.session_id)
        assert self.journal is not None, "it is not live, so the journal has it"
        with journal_at_hand():
            is_deleted = await self.journal.delete(shown.session_id)
        if shown.session_id in self._watching.open_sessions():
            raise _open(shown.session_id)
        if not is_deleted:
            raise _not_found(shown.session_id)

    async def create_token(self, shown: SessionRecord, lifetime_s: int) -> tuple[str, int]:
        """Return a new view token of a session, and when it expires, in seconds since 1970.

        Raises:
            Unavailable: the journal cannot be written.
        """
        if self._tokens is None:
            raise Unavailable("there is no journal to keep view tokens in")
        with journal_at_hand():
            return await self._tokens.create(shown.session_id, lifetime_s, shown.seen_by.name)

    async def revoke_tokens(self, shown: SessionRecord) -> None:
        """Let no view token show a session any more.

        Raises:
            Unavailable: the journal cannot be written.
        """
        if self._tokens is not None:
            with journal_at_hand():
                await self._tokens.revoke_all(shown.session_id)

    async def _admit(self, connection: HTTPConnection) -> Caller:
        authorization = authorization_of(connection)
        if is_view_token(_secret_of(authorization)) and not self._authenticator.is_open:
            raise Unauthorized("a view token shows one session and does nothing else: an API key is wanted")
        return await self._authenticator.admit(authorization, address_of(connection), needs_credit=False)

    async def _look_up(self, session_id: str) -> SessionRecord | None:
        watched = self._watching.open_sessions().get(session_id)
        if watched is not None:
            return _live(session_id, watched)
        if self.journal is None:
            return None
        with journal_at_hand():
            entry = await self.journal.find(session_id)
        watched = self._watching.open_sessions().get(session_id)  # it may have been taken up meanwhile
        if watched is not None:
            return _live(session_id, watched)
        return None if entry is None else self._past(entry)

    def _past(self, entry: Entry) -> SessionRecord:
        # one that a crash has left open is ended by a sweep, some time after nobody can take it up any more
        is_over = entry.ended_s is not None or time.time() - entry.touched_s > self._grace_s
        return SessionRecord(entry.session_id, None, entry, is_over)

    def _sees(self, caller: Caller, shown: SessionRecord) -> bool:
        return self._authenticator.allows_everything(caller) or shown.owner == caller.name


@contextmanager
def journal_at_hand() -> Iterator[None]:
    """Tell no client where the journal is, when it cannot be read or written.

    Raises:
        Unavailable: that is so.
    """
    try:
        yield
    except StateUnavailable as error:
        raise Unavailable("the journal cannot be read or written at the moment") from error


def _live(session_id: str, watched: Broadcast) -> SessionRecord:
    return SessionRecord(session_id, watched, None, is_over=False)


def _view_token_of(connection: HTTPConnection) -> str | None:
    """Return the view token of a request; None: it has none, or a key, which is worth more."""
    secret = _secret_of(authorization_of(connection))
    if secret:
        return secret if is_view_token(secret) else None
    return connection.query_params.get("token")


def _secret_of(authorization: str | None) -> str:
    scheme, _, secret = (authorization or "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _not_found(session_id: str) -> NotFound:
    shown = session_id[:_MAX_SHOWN_CHARS]
    return NotFound(f"session {shown!r}: there is none of that name; /v1/sessions?all=true lists them", "session_id")


def _open(session_id: str) -> SessionOpen:
    return SessionOpen(
        f"session {session_id}: it is open, or its client may still come back; delete it when it is over"
    )
