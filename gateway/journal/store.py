"""The store of the journal: what is kept of sessions, and the seam between the journal and where it is kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.wire import Details, ServerEvent

__all__ = [
    "Batch",
    "CaptionEvent",
    "Change",
    "Entry",
    "EventKey",
    "JournalStore",
    "Opening",
    "Resumable",
    "Row",
    "ViewToken",
    "event_subject",
]

EventKey = tuple[str, int]
"""Id of a session, and number of one of its events."""

Row = tuple[int, str]
"""Number of an event, and its native message."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The metadata written when a session opens.

    Attributes:
        session_id: never used for a second session.
        dialect: of its connection.
        owner: name of the key that opened it; None: no key.
        opened_s: when it was opened, in seconds since 1970.
        about: more metadata, such as the number of a call.
        start: JSON of the native start message: with all options if it can be resumed, else with the cue profile only;
            None: it was not recorded.
        token_digest: SHA-256 of its resume token; None: it cannot be resumed.
        event: name of its caption event; None: it has none.
    """

    session_id: str
    dialect: str
    owner: str | None
    opened_s: float
    about: Mapping[str, str]
    start: str | None = None
    token_digest: bytes | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One session as the journal lists it.

    Attributes:
        language: requested; None: it was detected.
        touched_s: when it was last written to, in seconds since 1970.
        ended_s: when it ended; None: it is open, or its gateway was killed not long ago.
        outcome: `finished`, the code of the error that ended it, or `interrupted`; None: it is open.
        is_complete: whether all of its events are in the journal.
        finals: number of finals written.
        details: title and names; None: it has had none.
        cue_profile: requested; None: the gateway's.
        event: name of its caption event; None: it has none.
    """

    session_id: str
    dialect: str
    owner: str | None
    about: Mapping[str, str]
    language: str | None
    opened_s: float
    touched_s: float
    ended_s: float | None
    outcome: str | None
    is_complete: bool
    finals: int
    details: Details | None = None
    cue_profile: str | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class ViewToken:
    """The access that a view token gives.

    Attributes:
        subject: id of the session that it may view, or `event_subject` of a caption event, with all of its sessions.
        owner: name of the key that created it; None: no key.
        expires_s: in seconds since 1970.
    """

    subject: str
    owner: str | None
    expires_s: float

    def covers(self, session_id: str | None, event: str | None) -> bool:
        """Return whether it may view a session, or a caption event and its sessions."""
        return self.subject == session_id or (event is not None and self.subject == event_subject(event))


@dataclass(frozen=True, slots=True)
class CaptionEvent:
    """An address at which people watch one session after the other.

    Attributes:
        name: as `gateway.wire.event_name` allows it.
        owner: of the key that created it; None: no key.
        title: for people; None: it has none.
        created_s: in seconds since 1970.
        session_id: of its newest session, which may have been deleted; None: it has had none.
    """

    name: str
    owner: str | None
    title: str | None
    created_s: float
    session_id: str | None = None


def event_subject(name: str) -> str:
    """Return the subject of view tokens of a caption event; no session has such an id."""
    return f"event:{name}"


@dataclass(frozen=True, slots=True)
class Resumable:
    """The data needed to resume a session, apart from its events.

    Attributes:
        entry: as the journal lists it.
        start: JSON of its native start message.
        token_digest: SHA-256 of its resume token.
    """

    entry: Entry
    start: str
    token_digest: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """A change to one session.

    Attributes:
        touched_s: time of the change, in seconds since 1970.
        language: requested; None: unchanged.
        finals: number of new finals.
        ended_s, outcome: None while the session is open.
        details: title and names; None: unchanged.
    """

    session_id: str
    touched_s: float
    language: str | None = None
    is_complete: bool = True
    finals: int = 0
    ended_s: float | None = None
    outcome: str | None = None
    details: Details | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The contents of one write transaction.

    Attributes:
        openings: of new sessions.
        events: to write, by session and number.
        superseded: events to delete; unknown ones are ignored.
        changes: to the sessions.
    """

    openings: Sequence[Opening] = ()
    events: Mapping[EventKey, ServerEvent] = field(default_factory=dict)
    superseded: Iterable[EventKey] = ()
    changes: Sequence[Change] = ()


class JournalStore(Protocol):
    """Keeps sessions, their events and view tokens where they survive the gateway.

    Each session has one owner, the gateway that writes it: the one that wrote its opening, until another has called
    `acquire`. Calls may overlap, except `write`. Each method raises `StateUnavailable` if the store cannot be reached;
    a batch whose `write` failed is written again, as a whole or in part, and no event of it is kept twice.
    """

    @property
    def is_shared(self) -> bool:
        """Whether other gateways read and write it, too."""
        ...

    @property
    def is_owner(self) -> bool:
        """Whether no other gateway can have been allowed to take this one for dead. If False, `write` finds out."""
        ...

    @property
    def batch_delay_s(self) -> float:
        """How long events that are not urgent wait for others, so that they are written together."""
        ...

    async def check(self) -> frozenset[str]:
        """Check that the store can be reached, and return the sessions that other gateways have taken over since.

        Raises:
            StateVanished: what was written before is lost; the next write begins anew.
        """
        ...

    async def aclose(self) -> None:
        """Close it; the next call opens it again."""
        ...

    async def write(self, batch: Batch) -> frozenset[str]:
        """Write a batch; what belongs to a deleted session is ignored. Once it returns, the batch is durable.

        Returns:
            Sessions that other gateways have taken over: nothing of them has been written.
        """
        ...

    async def acquire(self, session_id: str) -> bool:
        """Make this gateway the owner of a session, whose previous owner can write no more of it from now on.

        Returns:
            Whether another gateway may have owned it, so that what was read of it before may be out of date.
        """
        ...

    async def entries(self) -> list[Entry]:
        """Return all sessions, the oldest first."""
        ...

    async def find(self, session_id: str) -> Entry | None:
        """Return the session of that id; None: no such session."""
        ...

    async def events(self, session_id: str, after: int = 0, limit: int | None = None) -> list[Row]:
        """Return the numbers and messages of a session's events above `after`, oldest first, at most `limit`."""
        ...

    async def last_seq(self, session_id: str) -> int:
        """Return the number of a session's newest event; 0: no event."""
        ...

    async def newer_events(self, session_id: str, after: int, max_wait_s: float) -> list[Row]:
        """Return a session's events above `after`, oldest first; if there are none, wait so long for the first."""
        ...

    async def resumable(self, session_id: str) -> Resumable | None:
        """Return the data needed to resume a session; None: unknown, or not resumable."""
        ...

    async def delete(self, session_id: str) -> bool:
        """Delete a session with its events, view tokens and recordings; return whether it existed."""
        ...

    async def sweep(
        self, silent_since_s: float, ended_before_s: float | None, now_s: float, own: Iterable[str]
    ) -> list[str]:
        """Delete expired view tokens, and mark sessions as interrupted that a crash left open.

        Args:
            silent_since_s: open sessions that were last written to before it are interrupted; seconds since 1970.
            ended_before_s: sessions that ended before it are due for deletion; None: no session is.
            now_s: in seconds since 1970.
            own: sessions that this gateway writes, which are not changed.

        Returns:
            The ids of the sessions due for deletion.
        """
        ...

    async def texts(self, session_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the stored texts of these sessions, without those stored before their newest event."""
        ...

    async def set_text(self, session_id: str, seq: int, text: str) -> None:
        """Store the text of a session; ignore it if the session is deleted.

        Args:
            session_id: of the session.
            seq: number of the newest event in the text, 0 if there is none.
            text: by which the session is found.
        """
        ...

    async def sink_positions(self, session_id: str) -> dict[str, str]:
        """Return how far the sinks of a session are, by name: texts that `save_sink_position` was given."""
        ...

    async def save_sink_position(self, session_id: str, name: str, position: str) -> None:
        """Keep how far a sink of a session is, in place of what was kept before; ignored if there is no session."""
        ...

    async def add_view_token(self, digest: bytes, token: ViewToken) -> None:
        """Store the view token of that SHA-256."""
        ...

    async def view_token(self, digest: bytes, now_s: float) -> ViewToken | None:
        """Return the view token of that SHA-256; None: unknown or expired."""
        ...

    async def delete_view_tokens(self, subject: str) -> None:
        """Delete all view tokens of a session, or of a caption event."""
        ...

    async def caption_event(self, name: str) -> CaptionEvent | None:
        """Return the caption event of that name; None: no such event."""
        ...

    async def caption_events(self) -> list[CaptionEvent]:
        """Return all caption events, the oldest first."""
        ...

    async def add_caption_event(self, event: CaptionEvent) -> bool:
        """Add a caption event; return False if its name is taken."""
        ...

    async def set_caption_event_title(self, name: str, title: str | None) -> None:
        """Rename a caption event; an unknown one stays unknown."""
        ...

    async def set_caption_event_session(self, name: str, session_id: str) -> None:
        """Set the newest session of a caption event; an unknown one stays unknown."""
        ...

    async def delete_caption_event(self, name: str) -> bool:
        """Delete a caption event with its view tokens; its sessions stay. Return whether it existed."""
        ...
