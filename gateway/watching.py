"""Sessions that others watch while they run: what has been said so far, and then what is said."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.cues import CueState
from gateway.errors import SlowReader
from gateway.outbox import Outbox
from gateway.wire import (
    Ack,
    CueEvent,
    Error,
    Final,
    Finished,
    Flushed,
    OfChannel,
    Partial,
    Ready,
    Said,
    ServerEvent,
    Warning,
)

__all__ = ["Loss", "Subject", "Viewer", "Watched", "Watching"]

BACKLOG_EVENTS = 1_000
"""Half an hour of talk: an utterance of some seconds leaves a final and a cue or two."""

VIEWER_EVENTS = 1_000
"""What a viewer may leave unread, as much as the session's own peer: partials replace each other in it too."""


class Loss(StrEnum):
    """What does not reach a viewer."""

    DROPPED = "viewers_dropped"
    """Viewers that read too slowly."""
    REPLACED = "partial_cues_replaced"
    """Partial cues that a slow viewer never got because a newer revision came."""
    FORGOTTEN = "backlog_events_forgotten"
    """Events that a backlog had no room for."""


@dataclass(frozen=True, slots=True)
class Subject:
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
    """

    backlog: tuple[ServerEvent, ...]
    news: Outbox = field(default_factory=lambda: Outbox(VIEWER_EVENTS))


class Watched:
    """One session that can be watched.

    Its backlog has what lasts: finals, final cues, warnings, a fatal error, and the newest revision of each cue that is
    not final. Of more than `BACKLOG_EVENTS` the oldest are forgotten.

    Args:
        subject: what is known of it.
        losses: is counted up where something is lost.
    """

    def __init__(self, subject: Subject, losses: Counter[Loss]) -> None:
        self.subject = subject
        self.ready: Ready | None = None
        """How the session introduced itself, once it is open."""
        self._losses = losses
        self._backlog: dict[int, ServerEvent] = {}
        self._partials: dict[tuple[int, int, str], int] = {}
        """Channel, utterance and cue → the newest revision's number."""
        self._viewers: list[Viewer] = []

    @property
    def viewers(self) -> int:
        """How many watch."""
        return len(self._viewers)

    def tell(self, event: ServerEvent) -> None:
        """Tell all viewers of an event, and keep it for those to come. Nobody is waited for."""
        channel, told = (event.channel, event.event) if isinstance(event, OfChannel) else (0, event)
        if isinstance(told, Said | Ack | Flushed | Partial | OfChannel):
            return  # between the session and its peer
        match told:
            case Ready():
                self.ready = told
            case CueEvent(seq, cue):
                name = channel, cue.utterance_id, cue.cue_id
                self._forget_partial(name)
                if cue.state is CueState.PARTIAL:
                    self._partials[name] = seq
                self._backlog[seq] = event
            case Final(seq, utterance_id):
                for name in [name for name in self._partials if name[:2] == (channel, utterance_id)]:
                    self._forget_partial(name)
                self._backlog[seq] = event
            case Warning(seq) | Error(seq, fatal=True) | Finished(seq):
                self._backlog[seq] = event
            case _:
                pass  # of the moment, as is a mistake of the peer, who may make many
        if len(self._backlog) > BACKLOG_EVENTS:
            del self._backlog[min(self._backlog)]
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
        self._viewers.append(viewer)
        try:
            yield viewer
        finally:
            self._losses[Loss.REPLACED] += viewer.news.replaced
            if viewer in self._viewers:
                self._viewers.remove(viewer)

    def end(self) -> None:
        """Let all viewers go once they have read what there is."""
        for viewer in self._viewers:
            viewer.news.close()

    def _pass_on(self, viewer: Viewer, event: ServerEvent) -> None:
        try:
            viewer.news.put(event)
        except SlowReader:
            self._losses[Loss.DROPPED] += 1
            viewer.news.close()
            self._viewers.remove(viewer)

    def _forget_partial(self, name: tuple[int, int, str]) -> None:
        seq = self._partials.pop(name, None)
        if seq is not None:
            self._backlog.pop(seq, None)


class Watching:
    """All sessions that can be watched now, by their ids."""

    def __init__(self) -> None:
        self._watched: dict[str, Watched] = {}
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
    def show(self, session_id: str, subject: Subject) -> Iterator[None]:
        """Let a session be watched while the block lasts."""
        watched = self._watched[session_id] = Watched(subject, self.losses)
        try:
            yield
        finally:
            del self._watched[session_id]
            watched.end()

    def count_stalled(self) -> None:
        """Count a viewer that is dropped because it takes nothing from its connection."""
        self.losses[Loss.DROPPED] += 1

    def open_sessions(self) -> dict[str, Watched]:
        """Return the sessions that are open now, by their ids, the oldest first."""
        return {session_id: watched for session_id, watched in self._watched.items() if watched.ready is not None}
