"""Publishes the events of one session to its client's send queue and to its viewers."""

from dataclasses import replace

import anyio

from gateway.delivery.broadcast import Broadcast
from gateway.delivery.send_queue import SendQueue
from gateway.wire import Ready, ServerEvent
from vad.errors import LivecueError

__all__ = ["EventPublisher"]


class EventPublisher:
    """The readers of one session: the connection that its client has now, if any, and those who watch.

    Args:
        broadcast: for viewers.
        resume_token: told to the client alone, in `Ready`; None: there is none.
    """

    def __init__(self, broadcast: Broadcast, resume_token: str | None) -> None:
        self.absent_since_s = 0.0
        """When the last client left, in seconds of the event loop."""
        self.closed = anyio.Event()
        """Set once the last event is published."""
        self._broadcast = broadcast
        self._resume_token = resume_token
        self._reason: LivecueError | None = None
        self._client: SendQueue | None = None
        self._client_changed = anyio.Event()

    @property
    def has_client(self) -> bool:
        """Whether a client is connected."""
        return self._client is not None

    def publish(self, event: ServerEvent) -> None:
        """Queue an event for all readers; after `close` it is discarded."""
        if self.closed.is_set():
            return
        if self._client is not None:
            own = replace(event, resume_token=self._resume_token) if isinstance(event, Ready) else event
            self._client.put(own)
        self._broadcast.publish(event)

    def close(self, error: LivecueError | None) -> None:
        """Let the readers go once they have received everything; the error is why the session has ended."""
        if self._client is not None:
            self._client.close(error or self._reason)
        self.closed.set()

    def set_reason(self, error: LivecueError) -> None:
        """Name the error because of which the session will be closed, where `close` names none."""
        self._reason = error

    def is_client(self, queue: SendQueue) -> bool:
        """Return whether that is the queue of the client's connection now."""
        return self._client is queue

    def attach(self, queue: SendQueue) -> None:
        """Publish to a client's connection from now on, in place of the one before."""
        self._set_client(queue)

    def detach(self, queue: SendQueue) -> bool:
        """Publish to no client, if that is the one; return whether it was."""
        if self._client is not queue:
            return False
        self._set_client(None)
        self.absent_since_s = anyio.current_time()
        return True

    def dismiss(self, error_event: ServerEvent, error: LivecueError) -> None:
        """Close the client's connection, and let nobody else know."""
        if self._client is not None:
            self._client.put(error_event)
            self._client.close(error)

    def release(self, error: LivecueError) -> None:
        """Close the client's connection once it has received everything that is published."""
        if self._client is not None:
            self._client.close(error)

    async def absent(self, grace_s: float) -> None:
        """Return when no client has been connected for so long."""
        while True:
            changed = self._client_changed
            if self._client is not None:
                await changed.wait()
                continue
            with anyio.move_on_after(grace_s) as scope:
                await changed.wait()
            if scope.cancelled_caught and self._client is None:  # else one has come at the last moment
                return

    def _set_client(self, queue: SendQueue | None) -> None:
        self._client = queue
        self._client_changed.set()
        self._client_changed = anyio.Event()
