"""The one task that writes the journal: what sessions say, in batches, told when it is written down."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Set
from itertools import islice
from typing import TypeVar

import anyio

from gateway.journal.event_json import event_json
from gateway.journal.ordered_delivery import OrderedDelivery, PendingEvent
from gateway.journal.store import Batch, Change, EventKey, JournalStore
from gateway.journal.unwritten_events import JournalCounts, JournaledSession, UnwrittenEvent, UnwrittenEvents
from gateway.sqlite import StateUnavailable, StateVanished
from gateway.wire import CueEvent, Final, Finished, Ready, ServerEvent
from gateway.wire.cue import CueState
from gateway.wire.server_events import channel_of, seq_of

__all__ = ["JournalWriter"]

logger = logging.getLogger("livecue.journal")

_Result = TypeVar("_Result")

_TELL_AFTER_S = 0.1
"""What waits longer is told before it is written down: a slow disk shall not be seen in captions."""

_GATHER_S = 1.0
"""What nobody waits for is written so much later, all together, and a crash forgets no more than that. Many partial
cues have been superseded by then."""

_RETRY_S = 1.0
"""Between two attempts while the file cannot be written. Each looks at one batch, which takes some milliseconds."""

_BATCH_EVENTS = 200
"""Written at once, in some milliseconds, so that a final waits no longer for others."""

MAX_SESSIONS = 10_000
"""Sessions kept meanwhile, those that have ended included, for the bound on events does not bound them."""


_UNAVAILABLE = "what is said cannot be written down at the moment; captions go on"


class JournalWriter:
    """Writes in batches, whoever has something to be written.

    `Ready`, finals, final cues and `Finished` are told once they are written down, or after `_TELL_AFTER_S`. Where the
    file cannot be written they are told at once, each session is warned, and what is unwritten waits, the oldest given
    up beyond their bounds.

    Args:
        store: the file.
        clock: seconds since 1970.
    """

    def __init__(self, store: JournalStore, clock: Callable[[], float]) -> None:
        self.counts = JournalCounts()
        self.is_failing = False
        """Whether the last attempt to write has failed."""
        self._store = store
        self._clock = clock
        self._sessions: dict[str, JournaledSession] = {}
        """Until the end of each is written down."""
        self._unwritten = UnwrittenEvents()
        self._superseded: set[EventKey] = set()
        """Events that may be in the file, and are to be taken out."""
        self._changed: set[str] = set()
        """Sessions of which something is to be written."""
        self._hurried: set[str] = set()
        """Of these, those that somebody waits for."""
        self._held: deque[tuple[float, OrderedDelivery, PendingEvent]] = deque()
        """What is told once it is written down, with the time when it is told anyway: a tenth of a second of events."""
        self._wanted, self._urgent, self._holds = anyio.Event(), anyio.Event(), anyio.Event()
        self._turn = anyio.Lock()
        """For whom the file and what is kept here shall belong together."""
        self._is_committing = False

    def open(self, session_id: str, session: JournaledSession) -> None:
        """Begin to write a session."""
        self._sessions[session_id] = session
        self._change(session_id, is_urgent=True)

    def find(self, session_id: str) -> JournaledSession | None:
        """Return the session, if it is written here; it is until its end is written down."""
        return self._sessions.get(session_id)

    def sessions(self) -> tuple[str, ...]:
        """Return the sessions that are written here."""
        return tuple(self._sessions)

    def write(self, session_id: str, event: ServerEvent, tell: Callable[[ServerEvent], None]) -> None:
        """Write down the next event of a session and tell it; of one that is not open here it is only told."""
        session = self._sessions.get(session_id)
        if session is None:
            tell(event)
            return
        is_held = _waits(event) and not self.is_failing
        untold = PendingEvent(event, tell, is_held)
        if (seq := seq_of(event)) is not None:
            for older in session.superseding.add(event):
                self._supersede((session_id, older))
            self._unwritten.put((session_id, seq), UnwrittenEvent(event, session, untold if is_held else None))
            session.touched_s = self._clock()
            if isinstance(event, Ready):
                session.language = event.language
            self._change(session_id, is_urgent=is_held)
            while self._unwritten.are_too_many:
                self._lose(next(iter(self._unwritten)))
        if is_held:
            self._held.append((anyio.current_time() + _TELL_AFTER_S, session.telling, untold))
            self._holds.set()
        session.telling.put(untold)

    def end(self, session_id: str, outcome: str, ended_s: float) -> None:
        """Write down that a session is over, together with the last that it has said."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.outcome, session.ended_s = outcome, ended_s
            self._change(session_id)
            if len(self._sessions) > MAX_SESSIONS:
                self.forget(next(known for known, other in self._sessions.items() if other.ended_s is not None))

    def forget(self, session_id: str) -> None:
        """Write nothing more of a session."""
        for key in [key for key in self._unwritten if key[0] == session_id]:
            self._lose(key)
        self._sessions.pop(session_id, None)
        self._changed.discard(session_id)
        self._hurried.discard(session_id)

    async def in_turn(self, work: Callable[[], _Result]) -> _Result:
        """Write down what there is, and return the outcome of a work on the file.

        Raises:
            StateUnavailable: by the work; what cannot be written down does not hinder it.
        """
        async with self._turn:
            if not self.is_failing:
                await self._write_all()
            return await self._store.run(work)

    def completed(self, session_id: str, after: int, written: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Return what the file had of a session's events a moment ago, `in_turn`, and what only is here.

        What has not been told yet is not among it: whoever is told next is told that too.
        """
        session = self._sessions.get(session_id)
        if session is None:
            return written
        untold = session.telling.next_seq
        kept = ((key, unwritten.event) for key, unwritten in self._unwritten.items())
        messages = dict(written) | {seq: event_json(event) for (owner, seq), event in kept if owner == session_id}
        lasting = (seq for seq in messages if seq > after and (session_id, seq) not in self._superseded)
        return [(seq, messages[seq]) for seq in sorted(lasting) if untold is None or seq < untold]

    async def run(self) -> None:
        """Write until cancelled, and then what is left."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write_on)
                tasks.start_soon(self._tell_overdue)
        finally:
            with anyio.CancelScope(shield=True):
                async with self._turn:
                    await self._write_all()
                    await self._store.run(self._store.close)
            if self._unwritten:
                logger.error("%d events were never written down", len(self._unwritten))
            for session_id in self.sessions():
                self.forget(session_id)

    async def _write_on(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            with anyio.move_on_after(_GATHER_S):
                while not self.is_failing:
                    await self._urgent.wait()
                    self._urgent = anyio.Event()
                    async with self._turn:
                        await self._write_batch(self._hurried)
            async with self._turn:
                await self._write_all()
            if self.is_failing:
                await anyio.sleep(_RETRY_S)

    async def _tell_overdue(self) -> None:
        while True:
            await self._holds.wait()
            while self._held:
                due_s, telling, untold = self._held[0]
                if untold.is_held:
                    await anyio.sleep_until(due_s)
                self._held.popleft()
                telling.release(untold)
            self._holds = anyio.Event()

    async def _write_all(self) -> None:
        """Write what there is now, and not what comes meanwhile."""
        for _ in range(len(self._unwritten) // _BATCH_EVENTS + 1):
            if self._hurried:
                await self._write_batch(self._hurried)
            await self._write_batch(self._changed)
            if self.is_failing:
                return

    async def _write_batch(self, concerned: Set[str]) -> None:
        """Write what there is of the sessions concerned, the oldest first and no more than a batch."""
        changed = frozenset(concerned)
        of_changed = ((key, each) for key, each in self._unwritten.items() if key[0] in changed)
        unwritten = dict(islice(of_changed, _BATCH_EVENTS))
        superseded = frozenset(key for key in self._superseded if key[0] in changed)
        self._changed -= changed
        self._hurried -= changed
        if not changed:
            return
        sessions = {each: self._sessions[each] for each in changed if each in self._sessions}
        batch = _batch(sessions, unwritten, superseded)
        self._is_committing = True
        try:
            with anyio.CancelScope(shield=True):  # a batch is written or not, and here it is known which
                await self._store.run(lambda: self._store.write(batch))
        except StateUnavailable as error:
            self._changed |= changed
            self.fail(error)
        else:
            self._superseded -= superseded
            self._succeed(batch, unwritten)
        finally:
            self._is_committing = False

    def _succeed(self, batch: Batch, unwritten: Mapping[EventKey, UnwrittenEvent]) -> None:
        if self.is_failing:
            logger.info("the journal is written again")
        self.is_failing = False
        self.counts.written += len(unwritten)
        for key, each in unwritten.items():
            each.session.written += self._unwritten.take(key) is not None
        for change in batch.changes:
            session = self._sessions.get(change.session_id)
            if session is None:  # it has been deleted meanwhile
                continue
            session.is_opened = True
            if session.unwritten:
                self._change(change.session_id)
            elif change.ended_s is not None:
                del self._sessions[change.session_id]
        for each in unwritten.values():
            if each.untold is not None:
                each.session.telling.release(each.untold)

    def fail(self, error: StateUnavailable) -> None:
        """Note that the file cannot be written, and tell everybody who has not been told."""
        if not self.is_failing:
            logger.warning("the journal cannot be written, and what is said is kept in memory: %s", error)
        self.is_failing = True
        self.counts.failures += 1
        if isinstance(error, StateVanished):
            self.counts.lost += sum(session.begin_anew() for session in self._sessions.values())
            self._changed |= self._sessions.keys()
        self._wanted.set()
        for _, telling, untold in tuple(self._held):
            telling.release(untold)
        for session in tuple(self._sessions.values()):
            if not session.is_warned and session.ended_s is None:
                session.is_warned = True
                session.warn(_UNAVAILABLE)

    def _supersede(self, key: EventKey) -> None:
        unwritten = self._unwritten.take(key)
        if unwritten is None or self._is_committing:
            self._superseded.add(key)

    def _lose(self, key: EventKey) -> None:
        if (unwritten := self._unwritten.take(key)) is not None:
            unwritten.session.is_complete = False
            self.counts.lost += 1
            if unwritten.untold is not None:
                unwritten.session.telling.release(unwritten.untold)

    def _change(self, session_id: str, *, is_urgent: bool = False) -> None:
        self._changed.add(session_id)
        self._wanted.set()
        if is_urgent:
            self._hurried.add(session_id)
            self._urgent.set()


def _waits(event: ServerEvent) -> bool:
    """Return whether somebody who is told of it relies on it."""
    match channel_of(event)[1]:
        case CueEvent(_, cue):
            return cue.state is CueState.FINAL
        case Ready() | Final() | Finished():
            return True
        case _:
            return False


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
    """Return what a batch changes in a session; its end comes with the last of its events."""
    is_last = events == session.unwritten
    return Change(
        session_id=session_id,
        touched_s=session.touched_s,
        language=session.language,
        is_complete=session.is_complete,
        finals=finals,
        ended_s=session.ended_s if is_last else None,
        outcome=session.outcome if is_last else None,
    )
