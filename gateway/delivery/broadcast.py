"""Sessions that others watch while they run: what has been said so far, and then what is said."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.delivery.send_queue import SendQueue
from gateway.errors import SlowReader
from gateway.journal.compaction import EventCompactor
from gateway.journal.event_json import event_json
from gateway.wire import (
    Ack,
    CueEvent,
    DialectMessage,
    Error,
    Final,
    Finished,
    Flushed,
    OfChannel,
    Partial,
    Ready,
    ServerEvent,
    Warning,
)
from gateway.wire.event_size import bytes_of
from gateway.wire.server_events import channel_of

__all__ = ["BACKLOG_EVENTS", "SPARE_BACKLOG_EVENTS", "Broadcast", "Broadcaster", "Loss", "SessionInfo", "Viewer"]

BACKLOG_EVENTS = 1_000
"""Half an hour of talk: an utterance of some seconds leaves a final and a cue or two."""

SPARE_BACKLOG_EVENTS = 100
"""Some minutes of talk, for when the journal, which has all of it, cannot be read."""

BACKLOG_BYTES = 2**21
"""Of one session: what is kept for those who come late."""

VIEWER_EVENTS = 1_000
"""What a viewer may leave unread, as much as the session's own peer: partials replace each other in it too."""


class Loss(StrEnum):
    """What does not reach a viewer."""

    DROPPED = "viewers_dropped"
    """Viewers that read too slowly."""
    REPLACED = "partial_cues_replaced"
    """Partial cues that a slow viewer never got because a newer revision came."""
    FORGOTTEN = "backlog_events_forgotten"
    """Events that a backlog had no room for; the journal, where there is one, has them still."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """Who may be watched.

    Attributes:
        dialect: of the session's connection.
        owner: name of the key that opened it; None: it was opened without one.
        opened_s: when, in seconds since 1970.
        about: what else is known of it by now, such as the number of a call.
    """

    dialect: str
    owner: str | None
    opened_s: float
    about: Callable[[], Mapping[str, str]] = dict


@dataclass(eq=False, slots=True)
class Viewer:
    """One who watches.

    Attributes:
        backlog: what was said before, oldest first.
        news: what is said from then on; it ends with the session, or when the viewer is dropped.
        is_dropped: whether it has left too much unread.
    """

    backlog: tuple[ServerEvent, ...]
    news: SendQueue = field(default_factory=lambda: SendQueue(VIEWER_EVENTS))
    is_dropped: bool = False


class Broadcast:
    """One session that can be watched.

    Its backlog has what lasts: finals, final cues, warnings, a fatal error, and the newest revision of each cue that is
    not final. Of more than `backlog_events`, or `BACKLOG_BYTES`, the
    oldest are forgotten.

    Args:
        subject: what is known of it.
        losses: is counted up where something is lost.
        backlog_events: the bound.
    """

    def __init__(self, subject: SessionInfo, losses: Counter[Loss], backlog_events: int = BACKLOG_EVENTS) -> None:
        self.subject = subject
        self.ready: Ready | None = None
        """How the session introduced itself, once it is open."""
        self._losses = losses
        self._backlog_events = backlog_events
        self._backlog: dict[int, ServerEvent] = {}
        self._backlog_bytes = 0
        self._superseding = EventCompactor()
        self._viewers: list[Viewer] = []
        self._newest: tuple[ServerEvent, str] | None = None
        self._has_ended = False

    @property
    def viewers(self) -> int:
        """How many watch."""
        return len(self._viewers)

    def tell(self, event: ServerEvent) -> None:
        """Tell all viewers of an event, and keep it for those to come. Nobody is waited for."""
        _, told = channel_of(event)
        if isinstance(told, DialectMessage | Ack | Flushed | Partial | OfChannel):
            return  # between the session and its peer
        match told:
            case Ready():
                self.ready = told
            case CueEvent(seq) | Final(seq) | Warning(seq) | Error(seq, fatal=True) | Finished(seq):
                self._backlog[seq] = event
                self._backlog_bytes += bytes_of(event)
            case _:
                pass  # of the moment, as is a mistake of the peer, who may make many
        for older in self._superseding.add(event):
            self._forget(older)
        while len(self._backlog) > self._backlog_events or self._backlog_bytes > BACKLOG_BYTES:
            self._forget(min(self._backlog))
            self._losses[Loss.FORGOTTEN] += 1
        for viewer in tuple(self._viewers):
            self._pass_on(viewer, event)

    @contextmanager
    def follow(self, after: int) -> Iterator[Viewer]:
        """Watch while the block lasts.

        Args:
            after: number of the last event that the viewer has seen; 0: none.
        """
        known = ({self.ready.seq: self.ready} if self.ready else {}) | self._backlog
        viewer = Viewer(tuple(known[seq] for seq in sorted(known) if seq > after))
        if self._has_ended:
            viewer.news.close()
        self._viewers.append(viewer)
        try:
            yield viewer
        finally:
            self._losses[Loss.REPLACED] += viewer.news.replaced
            if viewer in self._viewers:
                self._viewers.remove(viewer)

    def message(self, event: ServerEvent) -> str:
        """Return an event as viewers are told it; it is written once for all who are told it at the same time."""
        if self._newest is None or self._newest[0] is not event:
            self._newest = event, event_json(event)
        return self._newest[1]

    def end(self) -> None:
        """Let all viewers go once they have read what there is."""
        self._has_ended = True
        for viewer in self._viewers:
            viewer.news.close()

    def _forget(self, seq: int) -> None:
        event = self._backlog.pop(seq, None)
        self._backlog_bytes -= 0 if event is None else bytes_of(event)

    def _pass_on(self, viewer: Viewer, event: ServerEvent) -> None:
        try:
            viewer.news.put(event)
        except SlowReader:
            self._losses[Loss.DROPPED] += 1
            viewer.is_dropped = True
            viewer.news.close()
            self._viewers.remove(viewer)


class Broadcaster:
    """All sessions that can be watched now, by their ids.

    Args:
        backlog_events: of each session are kept so many for those who come late.
    """

    def __init__(self, backlog_events: int = BACKLOG_EVENTS) -> None:
        self._backlog_events = backlog_events
        self._watched: dict[str, Broadcast] = {}
        self.losses: Counter[Loss] = Counter()
        """What has been lost so far."""

    @property
    def viewers(self) -> int:
        """How many watch, all sessions together."""
        return sum(watched.viewers for watched in self._watched.values())

    def tell(self, session_id: str, event: ServerEvent) -> None:
        """Tell those who watch a session of an event of it; of a session that is not shown nobody is told."""
        watched = self._watched.get(session_id)
        if watched is not None:
            watched.tell(event)

    @contextmanager
    def show(self, session_id: str, subject: SessionInfo) -> Iterator[None]:
        """Let a session be watched while the block lasts."""
        watched = self._watched[session_id] = Broadcast(subject, self.losses, self._backlog_events)
        try:
            yield
        finally:
            del self._watched[session_id]
            watched.end()

    def count_stalled(self) -> None:
        """Count a viewer that is dropped because it takes nothing from its connection."""
        self.losses[Loss.DROPPED] += 1

    def open_sessions(self) -> dict[str, Broadcast]:
        """Return the sessions that are open now, by their ids, the oldest first."""
        return {session_id: watched for session_id, watched in self._watched.items() if watched.ready is not None}
