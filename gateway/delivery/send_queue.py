"""A bounded queue of events to send, with only the newest revision of each partial."""

from collections import deque
from collections.abc import Iterable

import anyio

from gateway.errors import ResumedElsewhere, SlowReader
from gateway.wire import CueEvent, CueState, DialectMessage, Partial, Ready, ServerEvent
from gateway.wire.event_size import bytes_of
from gateway.wire.server_events import channel_of
from vad.errors import LivecueError

__all__ = ["MAX_BYTES", "SendQueue"]

MAX_BYTES = 2**21
"""An hour of speech with all its words; 400 MB for 200 sessions with slow readers."""


class SendQueue:
    """The queue of one reader, a client or a viewer.

    A new revision of a cue, or of an utterance's words, replaces the queued partial one, so a slow reader gets fewer
    partials, each the newest; finals and all other events are kept. The queue then grows with the transcript only, and
    it overflows when the reader has stopped reading.

    Args:
        max_events: limit of its length.
        max_bytes: limit of its size; a single event may be larger.
    """

    def __init__(self, max_events: int, max_bytes: int = MAX_BYTES) -> None:
        self.replaced = 0
        """Partial cues replaced by a newer revision before they were sent."""
        self.error: LivecueError | None = None
        """Why it is closed; None: no error, or it is open."""
        self.overflowed = anyio.Event()
        self._overflow: SlowReader | None = None
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._bytes = 0
        self._events: deque[ServerEvent] = deque()
        self._replay: deque[str] = deque()
        self._replays_after: Ready | None = None
        self._changed = anyio.Event()
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    @property
    def overflow(self) -> SlowReader:
        """The limit that was exceeded, once `overflowed` is set."""
        assert self._overflow is not None, "it has not overflowed"
        return self._overflow

    def put(self, event: ServerEvent) -> None:
        """Append an event; discard it if the queue is full or closed."""
        if self._is_closed:
            return
        self._remove_superseded(event)
        event_bytes = bytes_of(event)
        if len(self._events) >= self._max_events:
            self._overflow_with(f"{len(self._events)} unread events (limit {self._max_events})")
        elif self._events and self._bytes + event_bytes > self._max_bytes:
            self._overflow_with(f"{self._bytes} unread bytes (limit {self._max_bytes})")
        else:
            self._events.append(event)
            self._bytes += event_bytes
            self._changed.set()

    def replay(self, ready: Ready, messages: Iterable[str]) -> None:
        """Append the first event of a resumed session, and the missed messages after it, without limits."""
        self._replay.extend(messages)
        self._replays_after = ready
        self.put(ready)

    def close(self, error: LivecueError | None = None) -> None:
        """Accept no more events, because of an error if there is one; `get` returns None once the queue is empty."""
        self._is_closed, self.error = True, error
        if isinstance(error, ResumedElsewhere):  # the other connection replays it
            self._replay.clear()
        self._changed.set()

    async def get(self) -> ServerEvent | None:
        """Return the oldest event, waiting for one; None: the queue is closed and empty."""
        if self._replays_after is None and self._replay:
            return DialectMessage(self._replay.popleft())
        while not self._events:
            if self._is_closed:
                return None
            self._changed = anyio.Event()
            await self._changed.wait()
        event = self._events.popleft()
        self._bytes -= bytes_of(event)
        if event is self._replays_after:
            self._replays_after = None
        return event

    def _overflow_with(self, message: str) -> None:
        if self._overflow is None:
            self._overflow = SlowReader(message)
            self.overflowed.set()

    def _remove_superseded(self, newer: ServerEvent) -> None:
        key = _partial_key(newer)
        for event in self._events if key is not None else ():
            if _partial_key(event) == key and not _is_final(event):
                self._events.remove(event)
                self._bytes -= bytes_of(event)
                self.replaced += 1
                return


def _partial_key(event: ServerEvent) -> tuple[int | None, str | int] | None:
    """Return the key under which newer events supersede partials: channel, and cue or utterance."""
    channel, inner = channel_of(event)
    match inner:
        case CueEvent(_, cue):
            return channel, cue.cue_id
        case Partial(_, utterance_id):
            return channel, utterance_id
        case _:
            return None


def _is_final(event: ServerEvent) -> bool:
    _, inner = channel_of(event)
    return isinstance(inner, CueEvent) and inner.cue.state is CueState.FINAL
