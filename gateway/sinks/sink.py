"""The seam of sinks: what a sink is sent, what it raises, and the table of all kinds. PURE."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pkgutil import resolve_name
from typing import Protocol

from gateway.errors import ConfigurationError
from gateway.wire import Correction, CueEvent, CueState, Final, Finished, Ready, ServerEvent
from gateway.wire.server_events import channel_of, seq_of
from vad.errors import LivecueError

__all__ = [
    "SINKS",
    "Delivery",
    "EventRefused",
    "Item",
    "SessionFacts",
    "Sink",
    "SinkError",
    "SinkKind",
    "SinkOpener",
    "SinkRefused",
    "SinkTarget",
    "SinkUnavailable",
    "item_of",
    "kind_of",
]


class SinkError(LivecueError):
    """A sink did not take an event; the message must not contain its URL, which has secrets."""

    code = "sink_error"


class SinkUnavailable(SinkError):
    """The event was not taken now; the same event is sent again later.

    Attributes:
        retry_after_s: when the peer asks to be tried again, in seconds from now; None: it does not say.
    """

    code = "sink_unavailable"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EventRefused(SinkError):
    """This event will never be taken; the next one may be."""

    code = "sink_event_refused"


class SinkRefused(SinkError):
    """No event of this session will be taken: the URL is wrong, or the peer wants no more."""

    code = "sink_refused"


class Item(StrEnum):
    """What a sink may take of a session."""

    READY = "ready"
    PARTIAL = "partial"
    """A partial cue; only the newest revision is sent, and never again if that fails."""
    CUE = "cue"
    """A final cue."""
    FINAL = "final"
    CORRECTION = "correction"
    FINISHED = "finished"


def item_of(event: ServerEvent) -> Item | None:
    """Return what an event, with or without a channel, is for sinks; None: nothing."""
    match channel_of(event)[1]:
        case CueEvent(_, cue):
            if cue.state is CueState.PARTIAL:
                return Item.PARTIAL
            return Item.CUE if cue.lines else None
        case Final(text=text, error=error):
            return Item.FINAL if text or error else None
        case Correction():
            return Item.CORRECTION
        case Ready():
            return Item.READY
        case Finished():
            return Item.FINISHED
        case _:
            return None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What a sink may know of the session.

    Attributes:
        session_id: of the session.
        opened_s: when it was opened, in seconds since 1970.
        language: requested, ISO 639-1; None: it is detected.
        pad_after_s: silence that an utterance keeps after its last speech.
    """

    session_id: str
    opened_s: float
    language: str | None = None
    pad_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to a sink, the same each time that it is sent again.

    Attributes:
        event: with its channel, if the session has several.
        item: what it is for sinks.
        number: 1, 2, … of the events, without partials, that the sink has taken of this session; that of the next one
            for a partial.
        session: of the event.
        spoken_at_s: when its audio began, in seconds since 1970, as far as known; when it was emitted, if it has none.
    """

    event: ServerEvent
    item: Item
    number: int
    session: SessionFacts
    spoken_at_s: float

    @property
    def inner(self) -> ServerEvent:
        """The event without its channel."""
        return channel_of(self.event)[1]

    @property
    def channel(self) -> int | None:
        """Its channel; None: the session has only one."""
        return channel_of(self.event)[0]

    @property
    def seq(self) -> int:
        """Its number in the session."""
        seq = seq_of(self.event)
        assert seq is not None, "sinks get numbered events only"
        return seq


class Sink(Protocol):
    """One place that takes the captions of one session."""

    async def send(self, delivery: Delivery) -> None:
        """Send one event, and return once the place has taken it.

        Events come one at a time, in order, and only those that the kind takes. One that was not taken comes again,
        also after a restart of the gateway, where the place may have taken it without saying so; with `number` or the
        event's number it can be recognised. A call may be cancelled: by a timeout, after which the event comes again.

        Raises:
            SinkUnavailable: not now; connections are opened again by the next call.
            EventRefused: never.
            SinkRefused: neither this event nor a later one.
        """
        ...


@dataclass(frozen=True, slots=True)
class SinkTarget:
    """One configured sink, of any kind.

    Attributes:
        name: by which the operator or the client calls it.
        kind: name in `SINKS`.
        url: without options and without the prefix for the kind. It contains secrets.
        options: what follows the `#`.
        is_clients: whether a client has brought it, so that it may only send to public addresses.
    """

    name: str
    kind: str
    url: str = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_clients: bool = False


SinkOpener = Callable[[SinkTarget, SessionFacts], AbstractAsyncContextManager[Sink]]


@dataclass(frozen=True, slots=True)
class SinkKind:
    """What all sinks of one kind have in common.

    Attributes:
        open: returns a context manager, which yields a sink for one session. It touches neither network nor disk
            before the first `send`, so that a place which is down is tried again.
        takes: returns what is sent to a target; of the rest, corrections are counted as unsupported.
        check: raises ConfigurationError if the target's URL or options are wrong.
        options: names of its options.
        patience_s: how old captions may be that are still sent after a failure; None: any age.
        is_for_clients: whether clients may bring sinks of this kind: those that only send to the internet.
    """

    open: SinkOpener
    takes: Callable[[SinkTarget], frozenset[Item]]
    check: Callable[[SinkTarget], None] = lambda target: None
    options: frozenset[str] = frozenset()
    patience_s: float | None = None
    is_for_clients: bool = False


SINKS = {
    "webhook": "gateway.sinks.webhook:WEBHOOK",
    "file": "gateway.sinks.file:FILE",
    "zoom": "gateway.sinks.zoom:ZOOM",
    "youtube": "gateway.sinks.youtube:YOUTUBE",
    "teams": "gateway.sinks.teams:TEAMS",
    "obs": "gateway.sinks.obs:OBS",
    "hls": "gateway.sinks.hls:HLS",
}
"""Name → module and `SinkKind`, imported when it is first used."""


def kind_of(name: str) -> SinkKind:
    """Return the kind of that name.

    Raises:
        ConfigurationError: there is none.
    """
    if name not in SINKS:
        raise ConfigurationError(f"sink of kind {name!r}: expected one of {', '.join(SINKS)}")
    kind = resolve_name(SINKS[name])
    assert isinstance(kind, SinkKind), "the table names kinds only"
    return kind
