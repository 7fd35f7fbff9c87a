"""The events that one connection still has to send: bounded, with only the newest revision of each partial."""

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
"""Of one reader: an hour of talk with all its words, and 400 MB where 200 sessions have slow readers."""


class SendQueue:
    """A queue of events for one reader.

    A new revision of a cue, or of an utterance's words, replaces the partial one that is still queued, so a slow reader
    gets fewer partials, each the newest; finals and all other events are kept. What remains grows only with the
    transcript, and a reader that leaves `max_events` of it has stopped reading: the queue overflows.

    Args:
        max_events: the bound.
        max_bytes: another; a single event may be larger.
    """

    def __init__(self, max_events: int, max_bytes: int = MAX_BYTES) -> None:
        self.replaced = 0
        """Partial cues that were never sent because a newer revision came."""
        self.error: LivecueError | None = None
        """Why it is closed, where there is a reason."""
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
        """Whether nothing more is queued."""
        return self._is_closed

    @property
    def overflow(self) -> SlowReader:
        """Which bound was reached, once it has `overflowed`."""
        assert self._overflow is not None, "it has not overflowed"
        return self._overflow

    def put(self, event: ServerEvent) -> None:
        """Append an event; one that finds no room, or comes after `close`, is discarded."""
        if self._is_closed:
            return
        self._remove_superseded(event)
        event_bytes = bytes_of(event)
        if len(self._events) >= self._max_events:
            self._overflow_with(f"{len(self._events)} events are unread (limit {self._max_events})")
        elif self._events and self._bytes + event_bytes > self._max_bytes:
            self._overflow_with(f"{self._bytes} bytes are unread (limit {self._max_bytes})")
        else:
            self._events.append(event)
            self._bytes += event_bytes
            self._changed.set()

    def replay(self, ready: Ready, messages: Iterable[str]) -> None:
        """Append the first event of a resumed session, followed by messages that were missed, without bounds."""
        self._replay.extend(messages)
        self._replays_after = ready
        self.put(ready)

    def close(self, error: LivecueError | None = None) -> None:
        """Let `get` return None once the queue is empty; the error is why."""
        self._is_closed, self.error = True, error
        if isinstance(error, ResumedElsewhere):  # the other connection replays it
            self._replay.clear()
        self._changed.set()

    async def get(self) -> ServerEvent | None:
        """Return the oldest event, waiting for one; None: it is closed and empty."""
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
    """Return what a newer event of the same key supersedes: channel and cue, or channel and utterance."""
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
