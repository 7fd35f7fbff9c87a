"""Broadcasts the live events of sessions to viewers."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import anyio
from anyio.lowlevel import checkpoint

from gateway.access.scopes import Scope
from gateway.delivery.send_queue import SendQueue
from gateway.journal.compaction import EventCompactor
from gateway.journal.event_json import event_json
from gateway.wire import (
    Ack,
    Correction,
    CueEvent,
    Details,
    DialectMessage,
    DrainBegun,
    Error,
    Final,
    Finished,
    Flushed,
    Gap,
    OfChannel,
    Partial,
    Ready,
    ServerEvent,
    SinksStatus,
    Warning,
)
from gateway.wire.event_size import bytes_of
from gateway.wire.server_events import channel_of
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["BACKLOG_EVENTS", "SPARE_BACKLOG_EVENTS", "Broadcast", "Broadcaster", "Loss", "SessionInfo", "Viewer"]

BACKLOG_EVENTS = 1_000
"""Half an hour of speech: an utterance of some seconds leaves a final and one or two cues."""

SPARE_BACKLOG_EVENTS = 100
"""Some minutes of speech, as a fallback for when the journal cannot be read."""

BACKLOG_BYTES = 2**21
"""Limit of one session's backlog."""

VIEWER_EVENTS = 1_000
"""Limit of a viewer's queue, the same as for the session's client; partials replace each other in it too."""

_VIEWERS_PER_TURN = 100
"""Viewers served before other tasks get a turn: some tenths of a millisecond."""


class Loss(StrEnum):
    """What viewers lose."""

    DROPPED = "viewers_dropped"
    """Viewers disconnected because they read too slowly."""
    REPLACED = "partial_cues_replaced"
    """Partial cues replaced by a newer revision in the queue of a slow viewer."""
    FORGOTTEN = "backlog_events_forgotten"
    """Events dropped from a full backlog; the journal still has them if it is enabled."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """The metadata of a session.

    Attributes:
        dialect: of its connection.
        owner: name of the key that opened it; None: no key.
        opened_s: when it was opened, in seconds since 1970.
        about: returns more metadata as known now, such as the number of a call.
        on_attach: called with the id of the session that its connection opens or resumes, and whether it resumes it.
        event: name of its caption event; None: it has none.
        scopes: of the caller that opened it; empty: of none, or of one that is unknown since a restart.
    """

    dialect: str
    owner: str | None
    opened_s: float
    about: Callable[[], Mapping[str, str]] = dict
    on_attach: Callable[[str, bool], None] = lambda session_id, is_resumed: None
    event: str | None = None
    scopes: frozenset[Scope] = frozenset()


@dataclass(eq=False, slots=True)
class Viewer:
    """A viewer of a session.

    Attributes:
        backlog: events from before it subscribed, oldest first.
        live: queue of later events, until the session ends or the viewer is dropped. May repeat some of the backlog.
        is_dropped: whether its queue has overflowed.
        is_counted: whether it is somebody who watches, and not a sink.
    """

    backlog: tuple[ServerEvent, ...]
    live: SendQueue = field(default_factory=lambda: SendQueue(VIEWER_EVENTS))
    is_dropped: bool = False
    is_counted: bool = True


class Broadcast:
    """Broadcasts the live events of one session to its viewers.

    The backlog holds finals, final cues, corrections, warnings, a fatal error, the newest details, and the newest
    revision of each partial cue. Beyond `backlog_events` or `BACKLOG_BYTES` the oldest are dropped.

    Args:
        info: metadata of the session.
        losses: counts losses.
        warnings: counts warnings, by code.
        backlog_events: limit of the backlog.
        lost_audio_s: counts seconds of audio without words, by reason.
    """

    def __init__(
        self,
        info: SessionInfo,
        losses: Counter[Loss] | None = None,
        warnings: Counter[str] | None = None,
        backlog_events: int = BACKLOG_EVENTS,
        lost_audio_s: defaultdict[str, float] | None = None,
    ) -> None:
        self.info = info
        self.ready: Ready | None = None
        """The session's first event, once it is published."""
        self.is_moving = False
        """Whether the session may continue at another gateway, so that its end here is not its last event."""
        self.details: Details | None = None
        """The newest title and names that are published; None: it has had none."""
        self._losses = Counter() if losses is None else losses
        self._warnings = Counter() if warnings is None else warnings
        self._lost_audio_s = defaultdict(float) if lost_audio_s is None else lost_audio_s
        self._backlog_events = backlog_events
        self._backlog: dict[int, ServerEvent] = {}
        self._backlog_bytes = 0
        self._compactor = EventCompactor()
        self._viewers: list[Viewer] = []
        self._last_encoded: tuple[ServerEvent, str] | None = None
        self._undelivered: deque[ServerEvent] = deque()
        """Published events on their way to the viewers' queues; `run` empties it within a turn of the event loop."""
        self._has_undelivered = anyio.Event()
        self._has_ended = False

    @property
    def viewers(self) -> int:
        """Number of viewers."""
        return sum(viewer.is_counted for viewer in self._viewers)

    def publish(self, event: ServerEvent) -> None:
        """Add an event to the backlog, and queue it for `run`, so that the client does not wait for viewers."""
        _, inner = channel_of(event)
        if isinstance(inner, DialectMessage | Ack | Flushed | Partial | OfChannel | DrainBegun | SinksStatus):
            return  # for the client only
        if isinstance(inner, Ready):
            self.ready = inner
        elif isinstance(inner, Details):
            self.details = inner
        elif isinstance(inner, Warning):
            self._warnings[inner.code] += 1
        elif isinstance(inner, Gap) or (isinstance(inner, Final) and inner.error is not None):
            reason = "gap" if isinstance(inner, Gap) else "final_failed"
            self._lost_audio_s[reason] += (inner.end_sample - inner.start_sample) / SAMPLE_RATE_HZ
        self._add_to_backlog(event)
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
                    if number % _VIEWERS_PER_TURN == 0:
                        await checkpoint()

    def deliver_all(self) -> None:
        """Deliver all queued events to the viewers now."""
        while self._undelivered:
            event = self._undelivered.popleft()
            for viewer in tuple(self._viewers):
                self._deliver(viewer, event)

    @contextmanager
    def subscribe(self, after: int, *, is_counted: bool = True) -> Iterator[Viewer]:
        """Subscribe a viewer while the block lasts.

        Args:
            after: number of the last event that the viewer has received; 0: none.
            is_counted: whether it is somebody who watches, and not a sink.
        """
        events = ({self.ready.seq: self.ready} if self.ready else {}) | self._backlog
        viewer = Viewer(tuple(events[seq] for seq in sorted(events) if seq > after), is_counted=is_counted)
        if self._has_ended:
            viewer.live.close()
        self._viewers.append(viewer)
        try:
            yield viewer
        finally:
            self._losses[Loss.REPLACED] += viewer.live.replaced if is_counted else 0
            if viewer in self._viewers:
                self._viewers.remove(viewer)

    def message(self, event: ServerEvent) -> str:
        """Return the JSON of an event for viewers, encoded once for all viewers that get it in the same turn."""
        if self._last_encoded is None or self._last_encoded[0] is not event:
            self._last_encoded = event, event_json(event)
        return self._last_encoded[1]

    def end(self) -> None:
        """Deliver the remaining events, and close the viewers' queues."""
        self._has_ended = True
        self.deliver_all()
        for viewer in self._viewers:
            viewer.live.close()

    def _add_to_backlog(self, event: ServerEvent) -> None:
        _, inner = channel_of(event)
        match inner:
            case CueEvent(seq) | Final(seq) | Correction(seq) | Details(seq) | Warning(seq) | Finished(seq):
                self._remember(seq, event)
            case Error(seq, fatal=True):
                self._remember(seq, event)
            case _:
                pass  # out of date for later viewers; and a client may cause any number of non-fatal errors
        for older in self._compactor.add(event):
            self._drop_from_backlog(older)
        while len(self._backlog) > self._backlog_events or self._backlog_bytes > BACKLOG_BYTES:
            self._drop_from_backlog(min(self._backlog))
            self._losses[Loss.FORGOTTEN] += 1

    def _remember(self, seq: int, event: ServerEvent) -> None:
        self._backlog[seq] = event
        self._backlog_bytes += bytes_of(event)

    def _drop_from_backlog(self, seq: int) -> None:
        event = self._backlog.pop(seq, None)
        self._backlog_bytes -= 0 if event is None else bytes_of(event)

    def _deliver(self, viewer: Viewer, event: ServerEvent) -> None:
        viewer.live.put(event)
        if viewer.live.overflowed.is_set() and not viewer.is_dropped:
            self._losses[Loss.DROPPED] += viewer.is_counted
            viewer.is_dropped = True
            viewer.live.close()
            self._viewers.remove(viewer)


class Broadcaster:
    """The broadcasts of all live sessions, by session id.

    Args:
        backlog_events: limit of each session's backlog for viewers that subscribe later.
    """

    def __init__(self, backlog_events: int = BACKLOG_EVENTS) -> None:
        self._backlog_events = backlog_events
        self._broadcasts: dict[str, Broadcast] = {}
        self._mirrors: list[Broadcast] = []
        """Of sessions that are live at other gateways."""
        self.losses: Counter[Loss] = Counter()
        """Losses so far."""
        self.warnings: Counter[str] = Counter()
        """Warnings published, by code."""
        self.lost_audio_s: defaultdict[str, float] = defaultdict(float)
        """Audio without words, in seconds: `gap` was lost in transit, `final_failed` was not decoded."""

    @property
    def viewers(self) -> int:
        """Number of viewers of all sessions."""
        return sum(broadcast.viewers for broadcast in (*self._broadcasts.values(), *self._mirrors))

    def create(self, info: SessionInfo) -> Broadcast:
        """Return a new broadcast; `registered` lets viewers find it."""
        return Broadcast(info, self.losses, self.warnings, self._backlog_events, self.lost_audio_s)

    def create_mirror(self, info: SessionInfo) -> Broadcast:
        """Return a broadcast of a session of another gateway, which counts its warnings; until `forget_mirror`."""
        mirror = Broadcast(info, self.losses, backlog_events=self._backlog_events)
        self._mirrors.append(mirror)
        return mirror

    def forget_mirror(self, mirror: Broadcast) -> None:
        """Count the viewers of a mirror no longer."""
        self._mirrors.remove(mirror)

    @contextmanager
    def registered(self, session_id: str, broadcast: Broadcast) -> Iterator[None]:
        """Let viewers find a broadcast while the block lasts; then end it."""
        self._broadcasts[session_id] = broadcast
        try:
            yield
        finally:
            del self._broadcasts[session_id]
            broadcast.end()

    def count_stalled(self) -> None:
        """Count a viewer that is dropped because it does not read its connection."""
        self.losses[Loss.DROPPED] += 1

    def open_sessions(self) -> dict[str, Broadcast]:
        """Return the broadcasts of open sessions, by session id, oldest first."""
        return {name: broadcast for name, broadcast in self._broadcasts.items() if broadcast.ready is not None}
