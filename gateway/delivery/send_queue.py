"""What a session still has to send: bounded, and never more than the newest revision of what is partial."""

from collections import deque

import anyio

from gateway.errors import SlowReader
from gateway.wire import CueEvent, OfChannel, Partial, ServerEvent
from gateway.wire.cue import CueState
from gateway.wire.event_size import bytes_of

__all__ = ["MAX_BYTES", "SendQueue"]

MAX_BYTES = 2**21
"""Of what one reader may leave unread: an hour of talk with all its words, and 400 MB where 200 sessions do so."""


class SendQueue:
    """A queue of events for one reader.

    A new revision of a cue, or of an utterance's words, takes out the partial one that still waits, so a slow reader
    gets fewer partials, each the newest; finals and all other events are kept. What remains grows only with what was
    said, and a reader that has not taken `max_events` of it has stopped reading.

    Args:
        max_events: the bound.
        max_bytes: another; a single event may be larger.
    """

    def __init__(self, max_events: int, max_bytes: int = MAX_BYTES) -> None:
        self.replaced = 0
        """Partial cues that were never sent because a newer revision came."""
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._bytes = 0
        self._events: deque[ServerEvent] = deque()
        self._changed = anyio.Event()
        self._is_closed = False

    def put(self, event: ServerEvent) -> None:
        """Append an event; after `close` it is dropped, for the reader has been said goodbye to.

        Raises:
            SlowReader: a bound is reached.
        """
        if self._is_closed:
            return
        self._take_out_older(event)
        if len(self._events) >= self._max_events:
            raise SlowReader(f"{len(self._events)} events wait to be read: at most {self._max_events} may")
        event_bytes = bytes_of(event)
        if self._events and self._bytes + event_bytes > self._max_bytes:
            raise SlowReader(f"{self._bytes} bytes wait to be read: at most {self._max_bytes} may")
        self._events.append(event)
        self._bytes += event_bytes
        self._changed.set()

    def close(self) -> None:
        """Let `get` return None once all has been taken."""
        self._is_closed = True
        self._changed.set()

    async def get(self) -> ServerEvent | None:
        """Take the oldest event, waiting for one; None when closed and empty."""
        while not self._events:
            if self._is_closed:
                return None
            self._changed = anyio.Event()
            await self._changed.wait()
        event = self._events.popleft()
        self._bytes -= bytes_of(event)
        return event

    def _take_out_older(self, newer: ServerEvent) -> None:
        name = _replaces(newer)
        for event in self._events if name is not None else ():
            if _replaces(event) == name and not _is_final(event):
                self._events.remove(event)
                self._bytes -= bytes_of(event)
                self.replaced += 1
                return


def _replaces(event: ServerEvent) -> tuple[int, str | int] | None:
    """Return what a newer event of the same name replaces it in: channel and cue, or channel and utterance."""
    channel, inner = (event.channel, event.event) if isinstance(event, OfChannel) else (0, event)
    match inner:
        case CueEvent(_, cue):
            return channel, cue.cue_id
        case Partial(_, utterance_id):
            return channel, utterance_id
        case _:
            return None


def _is_final(event: ServerEvent) -> bool:
    inner = event.event if isinstance(event, OfChannel) else event
    return isinstance(inner, CueEvent) and inner.cue.state is CueState.FINAL
