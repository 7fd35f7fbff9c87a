"""What one viewer of a session is told: what it has missed, and then what is said."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from gateway.delivery.broadcast import Viewer
from gateway.errors import Unavailable
from gateway.http.sessions.directory import SessionRecord, journal_at_hand
from gateway.journal.event_json import event_json
from gateway.journal.journal import Journal, Row
from gateway.wire import ServerEvent
from gateway.wire.server_events import seq_of

__all__ = ["EventFeed", "follow"]

PAGE_ROWS = 500
"""What was missed is read piece by piece, about 250 KB each, since a viewer may be slow and a session long."""

_BETWEEN_SESSION_AND_PEER = frozenset({"ack", "flushed"})
"""Viewers are not told these when they are said, and so not later either."""


class _Kind(msgspec.Struct):
    type: str


_kind_decoder = msgspec.json.Decoder(_Kind)


class EventFeed:
    """The events of one session for one viewer, by number, each once and none left out.

    News is gathered from the beginning on, while what was missed is still read; what has been read then counts.

    Args:
        shown: the session.
        journal: has what was missed; None: what is in memory must do.
        after: number of the last event that the viewer has seen.
        viewer: gets what is said from now on; None: nothing is.
    """

    def __init__(self, shown: SessionRecord, journal: Journal | None, after: int, viewer: Viewer | None) -> None:
        self._shown = shown
        self._journal = journal
        self._viewer = viewer
        self._seq = after
        self._has_missed = True

    @property
    def is_live(self) -> bool:
        """Whether there is more to come than what was missed."""
        return self._viewer is not None

    @property
    def is_whole(self) -> bool:
        """Whether nothing can follow once it is over."""
        return self._shown.is_over if self._viewer is None else not self._viewer.is_dropped

    async def next(self) -> list[Row]:
        """Return what is told next, oldest first; nothing when it is over.

        Raises:
            Unavailable: the journal cannot be read, and nothing of the session is in memory.
        """
        while self._has_missed:
            if rows := await self._missed():
                return rows
        while self._viewer is not None and (event := await self._viewer.live.get()) is not None:
            seq = seq_of(event)
            assert seq is not None, "viewers are told only what has a number"
            if seq > self._seq:
                self._seq = seq
                return [(seq, self._message(event))]
        return []

    def _message(self, event: ServerEvent) -> str:
        return event_json(event) if self._shown.watched is None else self._shown.watched.message(event)

    async def _missed(self) -> list[Row]:
        try:
            rows = await self._page()
        except Unavailable:
            if self._viewer is None:
                raise
            rows = self._remembered(self._viewer)
        if rows:
            self._seq = rows[-1][0]
        return [row for row in rows if _kind_decoder.decode(row[1]).type not in _BETWEEN_SESSION_AND_PEER]

    async def _page(self) -> list[Row]:
        if self._journal is None:
            raise Unavailable("there is no journal")
        with journal_at_hand():
            rows = await self._journal.events(self._shown.session_id, self._seq, PAGE_ROWS)
        self._has_missed = len(rows) == PAGE_ROWS
        return rows

    def _remembered(self, viewer: Viewer) -> list[Row]:
        self._has_missed = False
        numbered = ((seq_of(event) or 0, event) for event in viewer.backlog)
        return [(seq, event_json(event)) for seq, event in numbered if seq > self._seq]


@contextmanager
def follow(shown: SessionRecord, journal: Journal | None, after: int) -> Iterator[EventFeed]:
    """Follow a session while the block lasts.

    Args:
        shown: the session.
        journal: has what was said before; None: what is in memory must do.
        after: number of the last event that the viewer has seen; 0: none.
    """
    if shown.watched is None:
        yield EventFeed(shown, journal, after, None)
    else:
        with shown.watched.subscribe(after) as viewer:
            yield EventFeed(shown, journal, after, viewer)
