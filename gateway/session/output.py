"""The output of one session: its event log, its publisher, and the token that resumes it."""

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
        context: shared by all sessions.
        start: the client's options.
        info: metadata of the session.
        next_seq: numbers error events and warnings.
        saved: its record in the journal; None: it is new.
        token: resume token of a saved session.
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
        """Publishes to viewers."""
        self._publisher = EventPublisher(self.broadcast, self._token)
        self.log = self._open_log(session_id, context, start, info, saved)
        """Takes all events."""

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
        """Whether a client with the token may resume it."""
        return self._token is not None and not self.is_closed

    @property
    def has_client(self) -> bool:
        """Whether a client is connected."""
        return self._publisher.has_client

    @property
    def detached_since_s(self) -> float:
        """When the client disconnected, in seconds on the event loop's clock."""
        return self._publisher.detached_since_s

    def is_resumed_by(self, token: str) -> bool:
        """Return whether a token resumes the session."""
        return self._token is not None and compare_digest(self._token.encode(), token.encode())

    def void_token(self) -> None:
        """Make the token invalid: no client can resume."""
        self._token = None

    def is_client(self, queue: SendQueue) -> bool:
        """Return whether a queue is that of the connected client."""
        return self._publisher.is_client(queue)

    def attach(self, queue: SendQueue) -> None:
        """Publish to a new client from now on."""
        self._publisher.attach(queue)

    def reattach(self, queue: SendQueue, ready: Ready, missed: Sequence[str]) -> None:
        """Publish to a resuming client from now on, after `Ready` and the messages that it missed."""
        self._publisher.attach(queue)
        queue.replay(replace(ready, resume_token=self._token), missed)

    def detach(self, queue: SendQueue) -> bool:
        """Publish to no client any more, if the queue is that of the connected one; return whether it is."""
        return self._publisher.detach(queue)

    async def detached_for(self, grace_s: float) -> None:
        """Wait until no client has been connected for that many seconds."""
        await self._publisher.detached_for(grace_s)

    def append(self, event: ServerEvent) -> None:
        """Append the next event."""
        self.log.append(event)

    def report(self, error: LivecueError, *, fatal: bool) -> None:
        """Append an error event; a fatal error becomes the reason for the close."""
        if fatal:
            self._publisher.set_reason(error)
        self.log.append(self._event_of(error, fatal=fatal))

    def dismiss(self, error: LivecueError) -> None:
        """Close the client's connection with an error that only this client receives."""
        self._publisher.dismiss(self._event_of(error, fatal=True), error)

    def release(self, error: LivecueError) -> None:
        """Close the client's connection once everything published has been sent."""
        self._publisher.release(error)

    def move(self, error: LivecueError) -> None:
        """Close because another gateway continues, once all events are published; viewers reconnect there."""
        self.broadcast.is_moving = True
        self.log.close(error)

    def close(self, error: LivecueError) -> None:
        """Close because of an error, once all events are published."""
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
    metadata = info.dialect, info.owner, info.opened_s, info.about()
    # without a resume, only the cue profile is needed later, for corrections
    kept = Start(cue_profile=start.cue_profile) if token is None else start
    token_digest = None if token is None else digest_of(token)
    return Opening(session_id, *metadata, start=str(NativeClientCodec().send(kept)[0]), token_digest=token_digest)
