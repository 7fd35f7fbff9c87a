"""The store of the journal: what is kept of sessions, and the seam between the journal and where it is kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.wire import ServerEvent

__all__ = ["Batch", "Change", "Entry", "EventKey", "JournalStore", "Opening", "Resumable", "Row", "ViewToken"]

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
    """

    session_id: str
    dialect: str
    owner: str | None
    opened_s: float
    about: Mapping[str, str]
    start: str | None = None
    token_digest: bytes | None = None


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
        cue_profile: requested; None: the gateway's.
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
    cue_profile: str | None = None


@dataclass(frozen=True, slots=True)
class ViewToken:
    """The access that a view token gives.

    Attributes:
        session_id: of the session that it may view.
        owner: name of the key that created it; None: no key.
        expires_s: in seconds since 1970.
    """

    session_id: str
    owner: str | None
    expires_s: float


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
    """

    session_id: str
    touched_s: float
    language: str | None = None
    is_complete: bool = True
    finals: int = 0
    ended_s: float | None = None
    outcome: str | None = None


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

    async def delete_view_tokens(self, session_id: str) -> None:
        """Delete all view tokens of a session."""
        ...
