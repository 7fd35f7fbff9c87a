"""The events of one session for one sink: those it has not acknowledged, then live ones."""

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gateway.delivery.broadcast import Broadcast, Viewer
from gateway.journal.event_json import event_of
from gateway.journal.journal import Journal
from gateway.sqlite import StateUnavailable
from gateway.wire import ServerEvent
from gateway.wire.server_events import seq_of

__all__ = ["SinkFeed", "open_feed"]

_PAGE_ROWS = 500
"""Missed events are read in pages of about 250 KB."""


class SinkFeed:
    """The events of one session, in order, each once.

    Live events wait in a queue like a viewer's, so a sink that is down costs bounded memory and delays nobody. When it
    overflows, the feed reads on in the journal.

    Args:
        session_id: of the session.
        journal: has the missed events; None: only those in memory can be read.
        broadcast: of the session, while it is live; None: it is over, and the journal has all of it.
        after: number of the last event that the sink has acknowledged; 0: none.
        stack: holds the subscription.
    """

    def __init__(
        self, session_id: str, journal: Journal | None, broadcast: Broadcast | None, after: int, stack: ExitStack
    ) -> None:
        self._session_id = session_id
        self._journal = journal
        self._broadcast = broadcast
        self._seq = after
        self._stack = stack
        self._page: deque[tuple[int, ServerEvent]] = deque()
        self._has_missed = True
        self._viewer = self._subscribed()

    @property
    def is_whole(self) -> bool:
        """Whether the feed, once it has ended, had all events of the session."""
        return self._broadcast is None or not self._broadcast.is_moving

    async def next(self) -> ServerEvent | None:
        """Return the next event, waiting for one; None: the session has ended here.

        Raises:
            StateUnavailable: the session is over, and the journal cannot be read.
        """
        while True:
            if self._page:
                self._seq, event = self._page.popleft()
                return event
            if self._has_missed:
                await self._read_missed()
            elif self._viewer is None:
                return None
            elif (live := await self._viewer.live.get()) is not None:
                seq = seq_of(live)
                if seq is not None and seq > self._seq:
                    self._seq = seq
                    return live
            elif not self._viewer.is_dropped:
                return None
            else:  # its queue has overflowed
                self._viewer, self._has_missed = self._subscribed(), True

    def _subscribed(self) -> Viewer | None:
        self._stack.close()
        if self._broadcast is None:
            return None
        return self._stack.enter_context(self._broadcast.subscribe(self._seq, is_counted=False))

    async def _read_missed(self) -> None:
        try:
            rows = await self._rows()
        except StateUnavailable:
            if self._viewer is None:
                raise
            self._has_missed = False
            self._page.extend(self._remembered(self._viewer))
            return
        self._has_missed = len(rows) == _PAGE_ROWS
        known = ((seq, event_of(message)) for seq, message in rows)
        self._page.extend((seq, event) for seq, event in known if event is not None)
        if rows and not self._page:
            self._seq = rows[-1][0]

    async def _rows(self) -> list[tuple[int, str]]:
        if self._journal is None or not self._journal.is_enabled:
            raise StateUnavailable("the journal is off")
        return await self._journal.events(self._session_id, self._seq, _PAGE_ROWS)

    def _remembered(self, viewer: Viewer) -> Iterator[tuple[int, ServerEvent]]:
        for event in viewer.backlog:
            seq = seq_of(event)
            if seq is not None and seq > self._seq:
                yield seq, event


@contextmanager
def open_feed(session_id: str, journal: Journal | None, broadcast: Broadcast | None, after: int) -> Iterator[SinkFeed]:
    """Follow a session while the block lasts."""
    with ExitStack() as stack:
        yield SinkFeed(session_id, journal, broadcast, after, stack)
