"""The events for one viewer of a session: those it has missed, then live ones."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import msgspec

from gateway.delivery.broadcast import Viewer
from gateway.delivery.mirror import Mirrors
from gateway.errors import Unavailable
from gateway.http.sessions.directory import SessionRecord, journal_errors_hidden
from gateway.journal.event_json import event_json
from gateway.journal.journal import Journal
from gateway.journal.store import Row
from gateway.wire import ServerEvent
from gateway.wire.server_events import seq_of

__all__ = ["EventFeed", "follow"]

PAGE_ROWS = 500
"""Missed events are read in pages of about 250 KB, since a viewer may be slow and a session long."""

_PEER_ONLY = frozenset({"ack", "flushed", "sinks"})
"""Viewers do not get these live, and so not later either."""


class _Kind(msgspec.Struct):
    type: str


_kind_decoder = msgspec.json.Decoder(_Kind)


class EventFeed:
    """The events of one session for one viewer, in order, each exactly once.

    Live events are queued while missed ones are still read, and skipped where they have been read already.

    Args:
        record: the session.
        journal: has the missed events; None: only those in memory are sent.
        after: number of the last event that the viewer has received.
        viewer: gets live events; None: the session is not live.
    """

    def __init__(self, record: SessionRecord, journal: Journal | None, after: int, viewer: Viewer | None) -> None:
        self._record = record
        self._journal = journal
        self._viewer = viewer
        self._seq = after
        self._has_missed = True

    @property
    def is_live(self) -> bool:
        """Whether live events follow the missed ones."""
        return self._viewer is not None

    @property
    def is_whole(self) -> bool:
        """Whether the feed, once it has ended, had all events of the session."""
        if self._viewer is None:
            return self._record.is_over
        is_moving = self._record.watched is not None and self._record.watched.is_moving
        return not self._viewer.is_dropped and not is_moving

    async def next(self) -> list[Row]:
        """Return the next events, oldest first; an empty list at the end.

        Raises:
            Unavailable: the journal cannot be read, and nothing of the session is in memory.
        """
        while self._has_missed:
            if rows := await self._missed():
                return rows
        while self._viewer is not None and (event := await self._viewer.live.get()) is not None:
            seq = seq_of(event)
            assert seq is not None, "viewers only get numbered events"
            if seq > self._seq:
                self._seq = seq
                return [(seq, self._message(event))]
        return []

    def _message(self, event: ServerEvent) -> str:
        return event_json(event) if self._record.watched is None else self._record.watched.message(event)

    async def _missed(self) -> list[Row]:
        try:
            rows = await self._page()
        except Unavailable:
            if self._viewer is None:
                raise
            rows = self._remembered(self._viewer)
        if rows:
            self._seq = rows[-1][0]
        return [row for row in rows if _kind_decoder.decode(row[1]).type not in _PEER_ONLY]

    async def _page(self) -> list[Row]:
        if self._journal is None:
            raise Unavailable("the journal is not available")
        with journal_errors_hidden():
            rows = await self._journal.events(self._record.session_id, self._seq, PAGE_ROWS)
        self._has_missed = len(rows) == PAGE_ROWS
        return rows

    def _remembered(self, viewer: Viewer) -> list[Row]:
        self._has_missed = False
        numbered = ((seq_of(event) or 0, event) for event in viewer.backlog)
        return [(seq, event_json(event)) for seq, event in numbered if seq > self._seq]


@contextmanager
def follow(
    record: SessionRecord, journal: Journal | None, after: int, mirrors: Mirrors | None = None
) -> Iterator[EventFeed]:
    """Follow a session while the block lasts.

    Args:
        record: the session.
        journal: has earlier events; None: only those in memory are sent.
        after: number of the last event that the viewer has received; 0: none.
        mirrors: of sessions that are live at other gateways; None: there are no other gateways.
    """
    with ExitStack() as stack:
        watched = record.watched
        if watched is None and mirrors is not None and record.entry is not None and record.last_seq is not None:
            watched = stack.enter_context(mirrors.mirrored(record.entry, record.last_seq))
        viewer = None if watched is None else stack.enter_context(watched.subscribe(after))
        yield EventFeed(replace(record, watched=watched), journal, after, viewer)
