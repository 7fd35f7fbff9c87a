"""The events not yet written to the journal's file, and their sessions."""

from collections import OrderedDict
from dataclasses import dataclass, field

from gateway.journal.compaction import EventCompactor
from gateway.journal.ordered_delivery import PendingEvent
from gateway.journal.session_log import SessionLog
from gateway.journal.store import EventKey, Opening
from gateway.wire import Details, ServerEvent
from gateway.wire.event_size import bytes_of

__all__ = ["JournalCounts", "JournaledSession", "UnwrittenEvent", "UnwrittenEvents"]

MAX_UNWRITTEN = 100_000
"""Events kept while the file cannot be written: about 50 MB, eight minutes of 200 sessions or a day of one."""

MAX_UNWRITTEN_BYTES = 2**26
"""Size of these events, since clients can make some of them long."""


@dataclass(slots=True)
class JournalCounts:
    """The counts of a journal.

    Attributes:
        written: events written.
        failures: attempts to write that failed.
        lost: events that were never written, or were written to a file that is lost.
    """

    written: int = 0
    failures: int = 0
    lost: int = 0


@dataclass(eq=False, slots=True)
class JournaledSession:
    """One session that is being recorded.

    Attributes:
        opening: its metadata.
        log: publishes its events.
        touched_s: time of its last event, in seconds since 1970.
        compactor: tracks which of its events are superseded.
        language: requested; None: it is detected, or `Ready` has not been recorded.
        unwritten: number of its events that are not written yet.
        written: number of its events in the file.
        is_opened: whether the opening is written.
        is_complete: whether no event was lost.
        is_warned: whether it has been warned that the journal is unavailable.
        ended_s, outcome: of its end; None: it is open.
        details: title and names; None: it has had none.
    """

    opening: Opening
    log: SessionLog
    touched_s: float
    compactor: EventCompactor = field(default_factory=EventCompactor)
    language: str | None = None
    unwritten: int = 0
    written: int = 0
    is_opened: bool = False
    is_complete: bool = True
    is_warned: bool = False
    ended_s: float | None = None
    outcome: str | None = None
    details: Details | None = None

    def restart(self) -> int:
        """Prepare to write to a new file, and return the number of events lost with the old one."""
        lost, self.written = self.written, 0
        self.is_opened, self.is_complete = False, self.is_complete and not lost
        return lost


@dataclass(frozen=True, slots=True)
class UnwrittenEvent:
    """An event to be written; `pending` is set if it is held until then."""

    event: ServerEvent
    session: JournaledSession
    pending: PendingEvent | None


class UnwrittenEvents(OrderedDict[EventKey, UnwrittenEvent]):
    """The events not written yet, oldest first, with limits of number and size."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0

    @property
    def exceed_limits(self) -> bool:
        """Whether the oldest must be dropped."""
        return len(self) > MAX_UNWRITTEN or self._bytes > MAX_UNWRITTEN_BYTES

    def put(self, key: EventKey, event: UnwrittenEvent) -> None:
        """Append an event."""
        self[key] = event
        event.session.unwritten += 1
        self._bytes += bytes_of(event.event)

    def take(self, key: EventKey) -> UnwrittenEvent | None:
        """Remove and return an event; None: no such event."""
        event = self.pop(key, None)
        if event is not None:
            event.session.unwritten -= 1
            self._bytes -= bytes_of(event.event)
        return event
