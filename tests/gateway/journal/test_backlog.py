"""The backlog of a journal: batches, failures, supersession and limits, without a file."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.backlog import Backlog
from gateway.journal.ordered_delivery import PendingEvent
from gateway.journal.session_log import SessionLog
from gateway.journal.unwritten_events import JournaledSession
from gateway.wire import DialectMessage, ServerEvent, Warning
from gateway.wire.server_events import seq_of
from tests.events import final, final_cue, partial_cue, ready
from tests.journals import NOW_S, opening
from vad.errors import LivecueError


class Session:
    """A session of a backlog, which records what is published of it."""

    def __init__(self, backlog: Backlog, session_id: str = "a") -> None:
        self.published: list[ServerEvent] = []
        self._backlog = backlog
        self._session_id = session_id
        log = SessionLog(session_id, self, count(10_000).__next__, self)
        self.session = JournaledSession(opening(session_id), log, NOW_S)
        self._hold = False
        backlog.open(session_id, self.session)

    def append(self, event: ServerEvent, *, hold: bool = False) -> None:
        self._hold = hold
        self.session.log.append(event)

    def record(self, session_id: str, pending: PendingEvent) -> None:
        pending.is_held = self._hold
        self._backlog.add(session_id, self.session, pending, NOW_S + 1)

    def publish(self, event: ServerEvent) -> None:
        self.published.append(event)

    def close(self, error: LivecueError | None) -> None:
        raise AssertionError("no session ends here")

    def seqs(self) -> list[int]:
        return [seq for seq, _ in self._backlog.merged(self._session_id, 0, [])]


def write(backlog: Backlog) -> list[int]:
    """Write a batch of all changed sessions, and return the numbers of its events."""
    prepared = backlog.begin_batch(backlog.changed)
    assert prepared is not None
    backlog.commit(prepared)
    return [seq for _, seq in prepared.events]


def test_a_batch_opens_a_session_once() -> None:
    backlog = Backlog()
    session = Session(backlog)
    first = backlog.begin_batch(backlog.changed)
    assert first is not None
    assert [each.session_id for each in first.batch.openings] == ["a"]
    backlog.commit(first)
    session.append(ready())
    second = backlog.begin_batch(backlog.changed)
    assert second is not None
    assert second.batch.openings == []


def test_without_changes_there_is_no_batch() -> None:
    assert Backlog().begin_batch(frozenset()) is None


def test_held_events_are_urgent_and_published_with_their_batch() -> None:
    backlog = Backlog()
    session = Session(backlog)
    write(backlog)
    session.append(partial_cue(1))
    assert (backlog.changed, backlog.urgent) == ({"a"}, set())
    session.append(final(2), hold=True)
    assert backlog.urgent == {"a"}
    assert session.published == [partial_cue(1)]
    assert session.seqs() == [], "the final has superseded the cue, and is pending"
    assert write(backlog) == [2]
    assert session.published == [partial_cue(1), final(2)]
    assert (backlog.changed, backlog.urgent, len(backlog)) == (set(), set(), 0)


def test_a_batch_that_fails_is_written_again_with_later_events() -> None:
    backlog = Backlog()
    session = Session(backlog)
    session.append(final(1))
    prepared = backlog.begin_batch(backlog.changed)
    session.append(final(2, 2))
    backlog.roll_back(prepared)
    assert backlog.counts.failures == 1
    assert write(backlog) == [1, 2]
    assert backlog.counts.written == 2


def test_an_event_superseded_while_its_batch_is_written_is_deleted_from_the_file() -> None:
    backlog = Backlog()
    session = Session(backlog)
    session.append(partial_cue(1))
    prepared = backlog.begin_batch(backlog.changed)
    assert prepared is not None
    session.append(final_cue(2))
    backlog.commit(prepared)
    following = backlog.begin_batch(backlog.changed)
    assert following is not None
    assert set(following.batch.superseded) == {("a", 1)}
    assert [*following.events] == [("a", 2)]


def test_the_end_is_written_with_the_last_event_and_the_session_is_then_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.journal.backlog._BATCH_EVENTS", 1)
    backlog = Backlog()
    session = Session(backlog)
    session.append(final(1))
    session.append(final(2, 2))
    backlog.end("a", "finished", NOW_S + 5)
    outcomes = []
    while backlog.changed:
        prepared = backlog.begin_batch(backlog.changed)
        assert prepared is not None
        outcomes.append(prepared.batch.changes[0].outcome)
        backlog.commit(prepared)
    assert outcomes == [None, "finished"]
    assert backlog.find("a") is None


def test_beyond_the_limit_the_oldest_are_dropped_published_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.unwritten_events.MAX_UNWRITTEN", 2)
    backlog = Backlog()
    session = Session(backlog)
    for seq in (1, 2, 3):
        session.append(final(seq, seq), hold=True)
    assert session.published == [final(1, 1)]
    assert backlog.counts.lost == 1
    assert not session.session.is_complete


def test_a_discarded_session_holds_no_event_back() -> None:
    backlog = Backlog()
    session, other = Session(backlog), Session(backlog, "b")
    session.append(final(1), hold=True)
    other.append(final(1), hold=True)
    backlog.discard("a")
    assert (session.published, other.published) == ([final(1)], [])
    assert backlog.sessions() == ("b",)
    assert backlog.changed == {"b"}


def test_on_a_new_file_all_sessions_are_opened_again() -> None:
    backlog = Backlog()
    session = Session(backlog)
    session.append(final(1))
    write(backlog)
    backlog.restart()
    assert backlog.counts.lost == 1
    prepared = backlog.begin_batch(backlog.changed)
    assert prepared is not None
    assert [each.session_id for each in prepared.batch.openings] == ["a"]
    assert not prepared.batch.changes[0].is_complete


def test_each_open_session_is_warned_once() -> None:
    backlog = Backlog()
    session, ended = Session(backlog), Session(backlog, "b")
    backlog.end("b", "finished", NOW_S)
    for _ in range(2):
        backlog.warn("journal_unavailable", "message")
    assert session.published == [Warning(10_000, "journal_unavailable", "message")]
    assert ended.published == []


def test_events_without_a_number_are_published_and_not_written() -> None:
    backlog = Backlog()
    session = Session(backlog)
    session.append(DialectMessage("text"))
    assert session.published == [DialectMessage("text")]
    assert len(backlog) == 0


STEPS = st.lists(st.sampled_from(["partial", "final", "begin", "commit", "roll back"]), max_size=40)


@given(STEPS)
def test_whatever_the_order_the_file_and_the_backlog_have_every_event_not_superseded(steps: list[str]) -> None:
    backlog, numbers = Backlog(), count(1)
    session, file, prepared = Session(backlog), set[int](), None
    finals = set[int]()
    for step in [*steps, "commit", "begin", "commit", "begin", "commit"]:
        match step:
            case "partial":
                session.append(partial_cue(next(numbers)))
            case "final":
                finals.add(seq := next(numbers))
                session.append(final(seq), hold=True)
            case "begin" if prepared is None:
                prepared = backlog.begin_batch(backlog.changed)
            case "commit" if prepared is not None:
                file |= {seq for _, seq in prepared.events}
                file -= {seq for _, seq in prepared.batch.superseded}
                backlog.commit(prepared)
                prepared = None
            case "roll back" if prepared is not None:
                backlog.roll_back(prepared)
                prepared = None
    published = [number for event in session.published if (number := seq_of(event)) is not None]
    assert published == sorted(published) == list(range(1, next(numbers)))
    assert finals <= file
    assert len(file - finals) <= 1, "the newest partial cue"
    assert len(backlog) == 0


def test_a_session_that_another_gateway_continues_is_neither_published_nor_counted() -> None:
    backlog = Backlog()
    session, other = Session(backlog), Session(backlog, "b")
    session.append(final(1), hold=True)
    other.append(ready(), hold=True)
    prepared = backlog.begin_batch(backlog.changed)
    assert prepared is not None
    session.append(final(2, 2), hold=True)
    session.close = lambda error: None  # type: ignore[method-assign]  # it may end
    backlog.give_up("a", LivecueError("lost"))
    backlog.give_up("a", LivecueError("lost"))
    backlog.commit(prepared, frozenset({"a"}))
    assert (session.published, other.published) == ([], [ready()])
    assert (backlog.counts.written, backlog.counts.lost, len(backlog)) == (1, 0, 0)
    assert backlog.sessions() == ("b",)
    assert "a" not in backlog.changed | backlog.urgent
