"""What of sessions is on its way to the journal's file: events that are not written down yet, and of whom."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.journal.compaction import EventCompactor
from gateway.journal.ordered_delivery import OrderedDelivery, PendingEvent
from gateway.journal.store import EventKey, Opening
from gateway.wire import ServerEvent
from gateway.wire.event_size import bytes_of

__all__ = ["JournalCounts", "JournaledSession", "UnwrittenEvent", "UnwrittenEvents"]

MAX_UNWRITTEN = 100_000
"""Events kept while the file cannot be written: about 50 MB, eight minutes of 200 sessions or a day of one."""

MAX_UNWRITTEN_BYTES = 2**26
"""Of these, for a client may make some of them long."""


@dataclass(slots=True)
class JournalCounts:
    """What the writer has done so far.

    Attributes:
        written: events.
        failures: attempts to write that failed.
        lost: events that were never written down.
    """

    written: int = 0
    failures: int = 0
    lost: int = 0


@dataclass(eq=False, slots=True)
class JournaledSession:
    """One session that is being written.

    Attributes:
        opening: what is written down of it at first.
        warn: tells its user, once.
        touched_s: when it last said something, in seconds since 1970.
        superseding: what it has published so far.
        unwritten: how many events of it are not written down yet.
        written: how many are.
        is_opened: whether the opening is written down.
    """

    opening: Opening
    warn: Callable[[str], None]
    touched_s: float
    superseding: EventCompactor = field(default_factory=EventCompactor)
    telling: OrderedDelivery = field(default_factory=OrderedDelivery)
    language: str | None = None
    unwritten: int = 0
    written: int = 0
    is_opened: bool = False
    is_complete: bool = True
    is_warned: bool = False
    ended_s: float | None = None
    outcome: str | None = None

    def begin_anew(self) -> int:
        """Write it to another file from here on, and return how many events are lost with the one before."""
        lost, self.written = self.written, 0
        self.is_opened, self.is_complete = False, self.is_complete and not lost
        return lost


@dataclass(frozen=True, slots=True)
class UnwrittenEvent:
    """An event on its way to the file; `untold` is set where it is sent only then."""

    event: ServerEvent
    session: JournaledSession
    untold: PendingEvent | None


class UnwrittenEvents(OrderedDict[EventKey, UnwrittenEvent]):
    """Events that are not written down yet, the oldest first, with a bound on how many and how large they are."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0

    @property
    def are_too_many(self) -> bool:
        """Whether the oldest are to be given up."""
        return len(self) > MAX_UNWRITTEN or self._bytes > MAX_UNWRITTEN_BYTES

    def put(self, key: EventKey, event: UnwrittenEvent) -> None:
        """Append an event."""
        self[key] = event
        event.session.unwritten += 1
        self._bytes += bytes_of(event.event)

    def take(self, key: EventKey) -> UnwrittenEvent | None:
        """Take an event out, and return it if it is one of these."""
        event = self.pop(key, None)
        if event is not None:
            event.session.unwritten -= 1
            self._bytes -= bytes_of(event.event)
        return event
