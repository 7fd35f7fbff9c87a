"""Live events of sessions for their viewers."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import anyio
from anyio.lowlevel import checkpoint

from gateway.delivery.send_queue import SendQueue
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
"""Of one session."""

VIEWER_EVENTS = 1_000
"""What a viewer may leave unread, as much as the session's own client: partials replace each other in it too."""

_VIEWERS_AT_ONCE = 100
"""Served between two looks at other sessions: some tenths of a millisecond."""


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
    """What is known of a session.

    Attributes:
        dialect: of its connection.
        owner: name of the key that opened it; None: it was opened without one.
        opened_s: when, in seconds since 1970.
        about: returns what else is known by now, such as the number of a call.
    """

    dialect: str
    owner: str | None
    opened_s: float
    about: Callable[[], Mapping[str, str]] = dict


@dataclass(eq=False, slots=True)
class Viewer:
    """A reader of a session that is not its client.

    Attributes:
        backlog: events from before it came, oldest first.
        live: events from then on, until the session ends or the viewer is dropped. May repeat some of the backlog.
        is_dropped: whether it has left too much unread.
    """

    backlog: tuple[ServerEvent, ...]
    live: SendQueue = field(default_factory=lambda: SendQueue(VIEWER_EVENTS))
    is_dropped: bool = False


class Broadcast:
    """The live events of one session, for its viewers.

    Its backlog holds finals, final cues, warnings, a fatal error, and the newest revision of each partial cue. Of more
    than `backlog_events`, or `BACKLOG_BYTES`, the oldest are forgotten.

    Args:
        info: what is known of the session.
        losses: counts what is lost.
        warnings: counts warnings, by code.
        backlog_events: the bound.
    """

    def __init__(
        self,
        info: SessionInfo,
        losses: Counter[Loss] | None = None,
        warnings: Counter[str] | None = None,
        backlog_events: int = BACKLOG_EVENTS,
    ) -> None:
        self.info = info
        self.ready: Ready | None = None
        """The session's first event, once it is published."""
        self._losses = Counter() if losses is None else losses
        self._warnings = Counter() if warnings is None else warnings
        self._backlog_events = backlog_events
        self._backlog: dict[int, ServerEvent] = {}
        self._backlog_bytes = 0
        self._compactor = EventCompactor()
        self._viewers: list[Viewer] = []
        self._newest: tuple[ServerEvent, str] | None = None
        self._undelivered: deque[ServerEvent] = deque()
        """Published, and on its way to the viewers; `run` leaves nothing longer than a turn of the event loop."""
        self._has_undelivered = anyio.Event()
        self._has_ended = False

    @property
    def viewers(self) -> int:
        """How many viewers there are."""
        return len(self._viewers)

    def publish(self, event: ServerEvent) -> None:
        """Add an event to the backlog, and let `run` deliver it to the viewers, so that the client need not wait."""
        _, inner = channel_of(event)
        if isinstance(inner, DialectMessage | Ack | Flushed | Partial | OfChannel):
            return  # between the session and its client
        if isinstance(inner, Ready):
            self.ready = inner
        elif isinstance(inner, Warning):
            self._warnings[inner.code] += 1
        self._remember(event)
        if self._viewers:
            self._undelivered.append(event)
            self._has_undelivered.set()

    async def run(self) -> None:
        """Deliver events to the viewers, until cancelled."""
        while True:
            await self._has_undelivered.wait()
            self._has_undelivered = anyio.Event()
            while self._undelivered:
                event = self._undelivered.popleft()
                for number, viewer in enumerate(tuple(self._viewers), 1):
                    self._deliver(viewer, event)
                    if number % _VIEWERS_AT_ONCE == 0:
                        await checkpoint()

    def deliver_all(self) -> None:
        """Deliver events to the viewers at once."""
        while self._undelivered:
            event = self._undelivered.popleft()
            for viewer in tuple(self._viewers):
                self._deliver(viewer, event)

    @contextmanager
    def follow(self, after: int) -> Iterator[Viewer]:
        """View the session while the block lasts.

        Args:
            after: number of the last event that the viewer has received; 0: none.
        """
        known = ({self.ready.seq: self.ready} if self.ready else {}) | self._backlog
        viewer = Viewer(tuple(known[seq] for seq in sorted(known) if seq > after))
        if self._has_ended:
            viewer.live.close()
        self._viewers.append(viewer)
        try:
            yield viewer
        finally:
            self._losses[Loss.REPLACED] += viewer.live.replaced
            if viewer in self._viewers:
                self._viewers.remove(viewer)

    def message(self, event: ServerEvent) -> str:
        """Return an event as viewers receive it; encoded once for all who receive it at the same time."""
        if self._newest is None or self._newest[0] is not event:
            self._newest = event, event_json(event)
        return self._newest[1]

    def end(self) -> None:
        """Deliver what is left, and let all viewers go once they have read it."""
        self._has_ended = True
        self.deliver_all()
        for viewer in self._viewers:
            viewer.live.close()

    def _remember(self, event: ServerEvent) -> None:
        _, inner = channel_of(event)
        match inner:
            case CueEvent(seq) | Final(seq) | Warning(seq) | Error(seq, fatal=True) | Finished(seq):
                self._backlog[seq] = event
                self._backlog_bytes += bytes_of(event)
            case _:
                pass  # of the moment, as is a mistake of the client, which may make many
        for older in self._compactor.add(event):
            self._forget(older)
        while len(self._backlog) > self._backlog_events or self._backlog_bytes > BACKLOG_BYTES:
            self._forget(min(self._backlog))
            self._losses[Loss.FORGOTTEN] += 1

    def _forget(self, seq: int) -> None:
        event = self._backlog.pop(seq, None)
        self._backlog_bytes -= 0 if event is None else bytes_of(event)

    def _deliver(self, viewer: Viewer, event: ServerEvent) -> None:
        viewer.live.put(event)
        if viewer.live.overflowed.is_set() and not viewer.is_dropped:
            self._losses[Loss.DROPPED] += 1
            viewer.is_dropped = True
            viewer.live.close()
            self._viewers.remove(viewer)


class Broadcaster:
    """The broadcasts of all live sessions, by session id.

    Args:
        backlog_events: of each session are kept so many for viewers that come late.
    """

    def __init__(self, backlog_events: int = BACKLOG_EVENTS) -> None:
        self._backlog_events = backlog_events
        self._broadcasts: dict[str, Broadcast] = {}
        self.losses: Counter[Loss] = Counter()
        """What has been lost so far."""
        self.warnings: Counter[str] = Counter()
        """Warnings published, by code."""

    @property
    def viewers(self) -> int:
        """How many viewers all sessions have together."""
        return sum(broadcast.viewers for broadcast in self._broadcasts.values())

    def create(self, info: SessionInfo) -> Broadcast:
        """Return a broadcast, which nobody finds before it is shown."""
        return Broadcast(info, self.losses, self.warnings, self._backlog_events)

    @contextmanager
    def show(self, session_id: str, broadcast: Broadcast) -> Iterator[None]:
        """Let a session be viewed while the block lasts."""
        self._broadcasts[session_id] = broadcast
        try:
            yield
        finally:
            del self._broadcasts[session_id]
            broadcast.end()

    def count_stalled(self) -> None:
        """Count a viewer that is dropped because it takes nothing from its connection."""
        self.losses[Loss.DROPPED] += 1

    def open_sessions(self) -> dict[str, Broadcast]:
        """Return the broadcasts of sessions that are open now, by session id, oldest first."""
        return {name: broadcast for name, broadcast in self._broadcasts.items() if broadcast.ready is not None}
