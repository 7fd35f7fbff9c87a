"""Publishes the events of one session to its client's send queue and to its viewers."""

from dataclasses import replace

import anyio

from gateway.delivery.broadcast import Broadcast
from gateway.delivery.send_queue import SendQueue
from gateway.errors import SessionMoved
from gateway.wire import Ready, ServerEvent
from vad.errors import LivecueError

__all__ = ["EventPublisher"]


class EventPublisher:
    """The subscribers of one session: its client, while one is connected, and its viewers.

    Args:
        broadcast: publishes to viewers.
        resume_token: sent to the client only, in `Ready`; None: the session cannot be resumed.
    """

    def __init__(self, broadcast: Broadcast, resume_token: str | None) -> None:
        self.detached_since_s = 0.0
        """When the last client disconnected, in seconds on the event loop's clock."""
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
        """Queue an event for the client and the viewers; discard it after `close`."""
        if self.closed.is_set():
            return
        if self._client is not None:
            own = replace(event, resume_token=self._resume_token) if isinstance(event, Ready) else event
            self._client.put(own)
        self._broadcast.publish(event)

    def close(self, error: LivecueError | None) -> None:
        """Close the client's queue, because of an error if there is one; `closed` is set."""
        if isinstance(error, SessionMoved):
            self._broadcast.is_moving = True
        if self._client is not None:
            self._client.close(error or self._reason)
        self.closed.set()

    def set_reason(self, error: LivecueError) -> None:
        """Set the error that `close` passes on when it is called without one."""
        self._reason = error

    def is_client(self, queue: SendQueue) -> bool:
        """Return whether a queue is that of the connected client."""
        return self._client is queue

    def attach(self, queue: SendQueue) -> None:
        """Publish to the queue of a client's connection from now on, in place of the previous one."""
        self._set_client(queue)

    def detach(self, queue: SendQueue) -> bool:
        """Publish to no client any more, if the queue is that of the connected one; return whether it is."""
        if self._client is not queue:
            return False
        self._set_client(None)
        self.detached_since_s = anyio.current_time()
        return True

    def dismiss(self, error_event: ServerEvent, error: LivecueError) -> None:
        """Close the client's connection with an error event that viewers do not receive."""
        if self._client is not None:
            self._client.put(error_event)
            self._client.close(error)

    def release(self, error: LivecueError) -> None:
        """Close the client's connection once everything published has been sent; another gateway may continue."""
        self._broadcast.is_moving = True
        if self._client is not None:
            self._client.close(error)

    async def detached_for(self, grace_s: float) -> None:
        """Wait until no client has been connected for that many seconds."""
        while True:
            changed = self._client_changed
            if self._client is not None:
                await changed.wait()
                continue
            with anyio.move_on_after(grace_s) as scope:
                await changed.wait()
            if scope.cancelled_caught and self._client is None:  # else a client has connected at the last moment
                return

    def _set_client(self, queue: SendQueue | None) -> None:
        self._client = queue
        self._client_changed.set()
        self._client_changed = anyio.Event()
