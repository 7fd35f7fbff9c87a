"""Where the events of one session go: its log, its readers, and the token that lets its client come back to them."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from secrets import compare_digest

import anyio

from gateway.access.api_keys import digest_of
from gateway.delivery.broadcast import SessionInfo
from gateway.delivery.event_publisher import EventPublisher
from gateway.delivery.send_queue import SendQueue
from gateway.errors import field_of
from gateway.journal.journal import Opening, SavedSession
from gateway.journal.session_log import SessionLog
from gateway.session.context import SessionContext
from gateway.wire import Error, Ready, ServerEvent, Start
from gateway.wire.native.codec import NativeClientCodec
from vad.errors import LivecueError

__all__ = ["SessionOutput"]

_TOKEN_BYTES = 32


class SessionOutput:
    """Appends events to the journal, and publishes them to the client and to viewers.

    Args:
        session_id: of the session.
        context: what is shared with other sessions.
        start: what the client wants.
        info: what is known of the session.
        next_seq: numbers error events and warnings.
        saved: what the journal has of it; None: it is new.
        token: that resumes a saved session.
    """

    def __init__(
        self,
        session_id: str,
        context: SessionContext,
        start: Start,
        info: SessionInfo,
        next_seq: Callable[[], int],
        saved: SavedSession | None = None,
        token: str | None = None,
    ) -> None:
        self._next_seq = next_seq
        self._token = token if saved is not None else _new_token(context, start)
        self.broadcast = context.broadcaster.create(info)
        """For its viewers."""
        self._publisher = EventPublisher(self.broadcast, self._token)
        self.log = self._open_log(session_id, context, start, info, saved)
        """Takes every event."""

    @property
    def closed(self) -> anyio.Event:
        """Set once the last event is published."""
        return self._publisher.closed

    @property
    def is_closed(self) -> bool:
        """Whether the last event is published."""
        return self._publisher.closed.is_set()

    @property
    def can_resume(self) -> bool:
        """Whether a client that has the token may come back."""
        return self._token is not None and not self.is_closed

    @property
    def has_client(self) -> bool:
        """Whether a client is connected."""
        return self._publisher.has_client

    @property
    def absent_since_s(self) -> float:
        """When the client left, in seconds of the event loop."""
        return self._publisher.absent_since_s

    def is_resumed_by(self, token: str) -> bool:
        """Return whether that token resumes the session."""
        return self._token is not None and compare_digest(self._token.encode(), token.encode())

    def void_token(self) -> None:
        """Let no client come back."""
        self._token = None

    def is_client(self, queue: SendQueue) -> bool:
        """Return whether that is the queue of the client's connection now."""
        return self._publisher.is_client(queue)

    def attach(self, queue: SendQueue) -> None:
        """Publish to a client from now on."""
        self._publisher.attach(queue)

    def welcome_back(self, queue: SendQueue, ready: Ready, missed: Sequence[str]) -> None:
        """Publish to a returning client from now on, which first receives its `Ready` and the messages it missed."""
        self._publisher.attach(queue)
        queue.replay(replace(ready, resume_token=self._token), missed)

    def detach(self, queue: SendQueue) -> bool:
        """Publish to no client, if that is the one; return whether it was."""
        return self._publisher.detach(queue)

    async def absent(self, grace_s: float) -> None:
        """Return when no client has been connected for so long."""
        await self._publisher.absent(grace_s)

    def append(self, event: ServerEvent) -> None:
        """Append the next event."""
        self.log.append(event)

    def report(self, error: LivecueError, *, fatal: bool) -> None:
        """Append an error; a fatal one is why the session will be closed."""
        if fatal:
            self._publisher.set_reason(error)
        self.log.append(self._event_of(error, fatal=fatal))

    def dismiss(self, error: LivecueError) -> None:
        """Close the client's connection with an error that nobody else receives."""
        self._publisher.dismiss(self._event_of(error, fatal=True), error)

    def release(self, error: LivecueError) -> None:
        """Close the client's connection once it has received everything that is published."""
        self._publisher.release(error)

    def close(self, error: LivecueError) -> None:
        """Close, because of an error, once all events are published."""
        self.log.close(error)

    def abort(self, error: LivecueError) -> None:
        """Close at once; pending events are discarded."""
        self.log.close(error)
        self._publisher.close(error)

    def _event_of(self, error: LivecueError, *, fatal: bool) -> Error:
        return Error(self._next_seq(), error.code, str(error), fatal, field_of(error))

    def _open_log(
        self, session_id: str, context: SessionContext, start: Start, info: SessionInfo, saved: SavedSession | None
    ) -> SessionLog:
        if context.journal is None:
            return SessionLog(session_id, self._publisher, self._next_seq)
        if saved is not None:
            return context.journal.reopen(saved, self._publisher, self._next_seq)
        return context.journal.open(_opening(session_id, info, start, self._token), self._publisher, self._next_seq)


def _new_token(context: SessionContext, start: Start) -> str | None:
    is_journaled = context.journal is not None and context.journal.is_enabled
    return secrets.token_urlsafe(_TOKEN_BYTES) if is_journaled and start.resumable else None


def _opening(session_id: str, info: SessionInfo, start: Start, token: str | None) -> Opening:
    known = info.dialect, info.owner, info.opened_s, info.about()
    if token is None:
        return Opening(session_id, *known, start=None, token_digest=None)
    return Opening(session_id, *known, start=str(NativeClientCodec().send(start)[0]), token_digest=digest_of(token))
