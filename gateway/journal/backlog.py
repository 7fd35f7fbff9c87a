"""Keeps what is to be written to the journal in memory until it is written. No I/O, no clock: time is an argument."""

from collections import Counter
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from itertools import islice

from gateway.journal.event_json import event_json
from gateway.journal.ordered_delivery import PendingEvent
from gateway.journal.store import Batch, Change, EventKey
from gateway.journal.unwritten_events import JournalCounts, JournaledSession, UnwrittenEvent, UnwrittenEvents
from gateway.wire import Details, Final, Ready
from gateway.wire.server_events import channel_of, seq_of
from vad.errors import LivecueError

__all__ = ["MAX_SESSIONS", "Backlog", "PreparedBatch"]

_BATCH_EVENTS = 200
"""Events of a batch, written in some milliseconds, so that no final waits much longer for others."""

MAX_SESSIONS = 10_000
"""Sessions kept while the file cannot be written, ended ones included; the limit on events does not limit them."""


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """A batch that is being written.

    Attributes:
        batch: its contents.
        sessions: ids of its sessions.
        events: its events, by session and number.
    """

    batch: Batch
    sessions: frozenset[str]
    events: Mapping[EventKey, UnwrittenEvent]


class Backlog:
    """Sessions, events and deletions to be written, within limits; beyond these the oldest are dropped."""

    def __init__(self) -> None:
        self.counts = JournalCounts()
        self._sessions: dict[str, JournaledSession] = {}
        """Each is kept until its end is written."""
        self._unwritten = UnwrittenEvents()
        self._superseded: set[EventKey] = set()
        """Superseded events that may be in the file, to be deleted from it."""
        self.changed: set[str] = set()
        """Sessions with changes to be written."""
        self.urgent: set[str] = set()
        """Sessions of these with a held event."""
        self._is_committing = False

    def __len__(self) -> int:
        """Return the number of unwritten events."""
        return len(self._unwritten)

    @property
    def batches(self) -> int:
        """Number of batches that the events make, at least one."""
        return len(self._unwritten) // _BATCH_EVENTS + 1

    def open(self, session_id: str, session: JournaledSession) -> None:
        """Add a session."""
        self._sessions[session_id] = session
        self._mark(session_id, is_urgent=True)

    def find(self, session_id: str) -> JournaledSession | None:
        """Return a session; None: it is not open, or its end is written."""
        return self._sessions.get(session_id)

    def sessions(self) -> tuple[str, ...]:
        """Return the ids of all sessions."""
        return tuple(self._sessions)

    def add(self, session_id: str, session: JournaledSession, pending: PendingEvent, now_s: float) -> None:
        """Add the next event of a session; an event without a number is not written.

        Args:
            session_id: of the session.
            session: the session of that id.
            pending: the event, already held if it must be durable first.
            now_s: in seconds since 1970.
        """
        event, seq = pending.event, seq_of(pending.event)
        if seq is None:
            return
        for older in session.compactor.add(event):
            self._supersede((session_id, older))
        unwritten = UnwrittenEvent(event, session, pending if pending.is_held else None)
        self._unwritten.put((session_id, seq), unwritten)
        session.touched_s = now_s
        if isinstance(event, Ready):
            session.language = event.language
        elif isinstance(event, Details):
            session.details = event
        self._mark(session_id, is_urgent=pending.is_held)
        while self._unwritten.exceed_limits:
            self._drop(next(iter(self._unwritten)))

    def end(self, session_id: str, outcome: str, ended_s: float) -> None:
        """Note the end of a session, to be written with its last event."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.outcome, session.ended_s = outcome, ended_s
            self._mark(session_id)
            if len(self._sessions) > MAX_SESSIONS:
                self.discard(next(known for known, other in self._sessions.items() if other.ended_s is not None))

    def discard(self, session_id: str) -> None:
        """Drop a session and all of its events."""
        for key in self._keys_of(session_id):
            self._drop(key)
        self._forget(session_id)

    def give_up(self, session_id: str, error: LivecueError) -> None:
        """Drop a session that another gateway continues; its events here are neither published nor lost."""
        if (session := self._sessions.get(session_id)) is not None:
            session.log.revoke(error)
            for key in self._keys_of(session_id):
                self._unwritten.take(key)
            self._forget(session_id)

    def merged(self, session_id: str, after: int, written: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Return a session's rows: those in the file and those in memory, without pending events.

        Args:
            session_id: of the session.
            after: only events with numbers above it.
            written: rows in the file as of the last batch.
        """
        session = self._sessions.get(session_id)
        if session is None:
            return written
        pending_seq = session.log.next_pending_seq
        own = {seq: each.event for (owner, seq), each in self._unwritten.items() if owner == session_id}
        messages = dict(written) | {seq: event_json(event) for seq, event in own.items()}
        kept = (seq for seq in messages if seq > after and (session_id, seq) not in self._superseded)
        return [(seq, messages[seq]) for seq in sorted(kept) if pending_seq is None or seq < pending_seq]

    # --- batches ---------------------------------------------------------------------------------------------------

    def begin_batch(self, sessions: Set[str]) -> PreparedBatch | None:
        """Return a batch of these sessions' oldest events, and clear their marks; None: no session.

        Call `commit` or `roll_back` next.
        """
        marked = frozenset(sessions)
        self.changed -= marked
        self.urgent -= marked
        if not marked:
            return None
        of_marked = ((key, each) for key, each in self._unwritten.items() if key[0] in marked)
        events = dict(islice(of_marked, _BATCH_EVENTS))
        superseded = frozenset(key for key in self._superseded if key[0] in marked)
        known = {each: self._sessions[each] for each in marked if each in self._sessions}
        self._is_committing = True
        return PreparedBatch(_batch(known, events, superseded), marked, events)

    def commit(self, prepared: PreparedBatch, taken: Set[str] = frozenset()) -> None:
        """Remove a written batch from the backlog, and release its held events.

        Args:
            prepared: the batch.
            taken: sessions of which nothing was written, since another gateway has taken them over.
        """
        self._is_committing = False
        self._superseded -= set(prepared.batch.superseded)
        self.counts.written += sum(session_id not in taken for session_id, _ in prepared.events)
        for key, each in prepared.events.items():
            each.session.written += self._unwritten.take(key) is not None
        for change in prepared.batch.changes:
            session = self._sessions.get(change.session_id)
            if session is None:  # deleted in the meantime
                continue
            session.is_opened = True
            if session.unwritten:
                self._mark(change.session_id)
            elif change.ended_s is not None:
                del self._sessions[change.session_id]
        for each in prepared.events.values():
            if each.pending is not None:
                each.session.log.release(each.pending)

    def roll_back(self, prepared: PreparedBatch | None = None) -> None:
        """Count a failure to write a batch, which stays in the backlog, or to reach the file."""
        self._is_committing = False
        self.counts.failures += 1
        if prepared is not None:
            self.changed |= prepared.sessions

    def restart(self) -> None:
        """Mark all sessions to be written to a new file; events in the old file are lost."""
        self.counts.lost += sum(session.restart() for session in self._sessions.values())
        self.changed |= self._sessions.keys()

    def warn(self, code: str, message: str) -> None:
        """Append a warning to each open session, once."""
        for session in tuple(self._sessions.values()):
            if not session.is_warned and session.ended_s is None:
                session.is_warned = True
                session.log.append_warning(code, message)

    def _supersede(self, key: EventKey) -> None:
        if self._unwritten.take(key) is None or self._is_committing:
            self._superseded.add(key)

    def _drop(self, key: EventKey) -> None:
        if (unwritten := self._unwritten.take(key)) is not None:
            unwritten.session.is_complete = False
            self.counts.lost += 1
            if unwritten.pending is not None:
                unwritten.session.log.release(unwritten.pending)

    def _keys_of(self, session_id: str) -> list[EventKey]:
        return [key for key in self._unwritten if key[0] == session_id]

    def _forget(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)
        self.changed.discard(session_id)
        self.urgent.discard(session_id)

    def _mark(self, session_id: str, *, is_urgent: bool = False) -> None:
        self.changed.add(session_id)
        if is_urgent:
            self.urgent.add(session_id)


def _batch(
    sessions: Mapping[str, JournaledSession],
    unwritten: Mapping[EventKey, UnwrittenEvent],
    superseded: Collection[EventKey],
) -> Batch:
    events = Counter(session_id for session_id, _ in unwritten)
    finals = Counter(key[0] for key, each in unwritten.items() if isinstance(channel_of(each.event)[1], Final))
    return Batch(
        [session.opening for session in sessions.values() if not session.is_opened],
        {key: each.event for key, each in unwritten.items()},
        superseded,
        [_change(each, session, events[each], finals[each]) for each, session in sessions.items()],
    )


def _change(session_id: str, session: JournaledSession, events: int, finals: int) -> Change:
    """Return a batch's change to a session; the end is written with the last event."""
    is_last = events == session.unwritten
    return Change(
        session_id=session_id,
        touched_s=session.touched_s,
        language=session.language,
        is_complete=session.is_complete,
        finals=finals,
        ended_s=session.ended_s if is_last else None,
        outcome=session.outcome if is_last else None,
        details=session.details,
    )
