"""Who is told what a session says: its journal, those who watch it, and the peer it has now."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from secrets import compare_digest
from typing import Protocol

import anyio

from gateway.delivery.broadcast import Broadcaster
from gateway.journal.journal import Journal
from gateway.wire import Ready, ServerEvent
from vad.errors import LivecueError

__all__ = ["EventPublisher", "Peer", "Row"]

Row = tuple[int, str]
"""Number of an event, and its message in the native dialect."""


class Peer(Protocol):
    """The connection that a session has now. No method waits or raises."""

    def welcome(self, ready: Ready, missed: Sequence[Row]) -> None:
        """Take the first event of this connection, and those that it has missed."""
        ...

    def tell(self, event: ServerEvent) -> None:
        """Take an event."""
        ...

    def end(self, error: LivecueError | None) -> None:
        """Say goodbye once all has been sent; the error is why."""
        ...


class EventPublisher:
    """Passes on what one session says. What lasts is written down before anybody is told.

    Args:
        session_id: of the session.
        journal: None: nothing is written down.
        watching: where it is watched.
        on_told: called with each event that has been told, once it has.
    """

    def __init__(
        self, session_id: str, journal: Journal | None, watching: Broadcaster, on_told: Callable[[ServerEvent], None]
    ) -> None:
        self.peer: Peer | None = None
        """The connection there is now."""
        self.token: str | None = None
        """What lets another connection resume the session; None: nothing does."""
        self.absent_since = 0.0
        """When the last peer left, in seconds of the event loop."""
        self._session_id = session_id
        self._journal = journal
        self._watching = watching
        self._on_told = on_told
        self._peer_changed = anyio.Event()
        self._is_closed = False

    def say(self, event: ServerEvent) -> None:
        """Tell everybody, in the order of the calls; after the last there is nothing to be said."""
        if self._is_closed:
            return
        if self._journal is None:
            self._tell(event)
        else:
            self._journal.write(self._session_id, event, self._tell)

    def begin(self, peer: Peer) -> None:
        """Tell the first peer from now on."""
        self._set_peer(peer)

    def welcome(self, peer: Peer, ready: Ready, missed: Sequence[Row]) -> None:
        """Tell another peer from now on."""
        self._set_peer(peer)
        peer.welcome(ready, missed)

    def leave(self, peer: Peer) -> bool:
        """Do without a peer; return whether it was the one there is."""
        if self.peer is not peer:
            return False
        self._set_peer(None)
        self.absent_since = anyio.current_time()
        return True

    def is_resumed_by(self, token: str) -> bool:
        """Return whether that token resumes the session."""
        return self.token is not None and compare_digest(self.token.encode(), token.encode())

    async def wait_for_absence(self, grace_s: float) -> None:
        """Return when there has been no peer for so long."""
        while True:
            changed = self._peer_changed
            if self.peer is not None:
                await changed.wait()
                continue
            with anyio.move_on_after(grace_s) as scope:
                await changed.wait()
            if scope.cancelled_caught and self.peer is None:  # else one has come at the last moment
                return

    def close(self, error: LivecueError | None) -> None:
        """Tell nothing more, and let the peer go."""
        self._is_closed = True
        if self.peer is not None:
            self.peer.end(error)

    def _set_peer(self, peer: Peer | None) -> None:
        self.peer = peer
        self._peer_changed.set()
        self._peer_changed = anyio.Event()

    def _tell(self, event: ServerEvent) -> None:
        if self._is_closed:
            return
        self._watching.tell(self._session_id, event)
        if self.peer is not None:
            # only the peer may know the token
            self.peer.tell(replace(event, resume_token=self.token) if isinstance(event, Ready) else event)
        self._on_told(event)
