"""What a session still has to send: bounded, and never more than the newest revision of a partial cue."""

from collections import deque

import anyio

from gateway.cues import CueState
from gateway.errors import SlowReader
from gateway.wire import CueEvent, ServerEvent

__all__ = ["Outbox"]


class Outbox:
    """A queue of events for one reader.

    A new revision of a cue takes out the partial one that still waits, so a slow reader gets fewer partials, each the
    newest; finals and all other events are kept. What remains grows only with what was said, and a reader that has not
    taken `max_events` of it has stopped reading.

    Args:
        max_events: the bound.
    """

    def __init__(self, max_events: int) -> None:
        self.replaced = 0
        """Partial cues that were never sent because a newer revision came."""
        self._max_events = max_events
        self._events: deque[ServerEvent] = deque()
        self._changed = anyio.Event()
        self._is_closed = False

    def put(self, event: ServerEvent) -> None:
        """Append an event; after `close` it is dropped, for the reader has been said goodbye to.

        Raises:
            SlowReader: the bound is reached.
        """
        if self._is_closed:
            return
        if isinstance(event, CueEvent):
            self._take_out_older(event)
        if len(self._events) >= self._max_events:
            raise SlowReader(f"{len(self._events)} events wait to be read: at most {self._max_events} may")
        self._events.append(event)
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
        return self._events.popleft()

    def _take_out_older(self, newer: CueEvent) -> None:
        for event in self._events:
            if (
                isinstance(event, CueEvent)
                and event.cue.cue_id == newer.cue.cue_id
                and event.cue.state is CueState.PARTIAL
            ):
                self._events.remove(event)
                self.replaced += 1
                return
