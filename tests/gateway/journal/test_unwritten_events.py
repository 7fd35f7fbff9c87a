"""Events not written yet: counted for each session, and limited in number and size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.session_log import SessionLog
from gateway.journal.unwritten_events import JournaledSession, UnwrittenEvent, UnwrittenEvents
from gateway.wire import ServerEvent
from gateway.wire.event_size import bytes_of
from tests.events import final
from tests.journals import NOW_S, opening
from vad.errors import LivecueError


class Sink:
    """Ignores what it receives."""

    def publish(self, event: ServerEvent) -> None:
        pass

    def close(self, error: LivecueError | None) -> None:
        pass


def session() -> JournaledSession:
    return JournaledSession(opening(), SessionLog("a", Sink(), lambda: 1), NOW_S)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5))))
def test_a_session_counts_its_unwritten_events(steps: list[tuple[bool, int]]) -> None:
    events, own, expected = UnwrittenEvents(), session(), set[int]()
    for is_put, seq in steps:
        if is_put and seq not in expected:
            events.put(("a", seq), UnwrittenEvent(final(seq), own, None))
            expected.add(seq)
        elif not is_put:
            taken = events.take(("a", seq))
            assert (taken is not None) == (seq in expected)
            expected.discard(seq)
        assert own.unwritten == len(events) == len(expected)


def test_the_number_of_events_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.unwritten_events.MAX_UNWRITTEN", 2)
    events, own = UnwrittenEvents(), session()
    for seq in (1, 2):
        events.put(("a", seq), UnwrittenEvent(final(seq), own, None))
    assert not events.exceed_limits
    events.put(("a", 3), UnwrittenEvent(final(3), own, None))
    assert events.exceed_limits


def test_the_size_of_the_events_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.unwritten_events.MAX_UNWRITTEN_BYTES", 2 * bytes_of(final(1)))
    events, own = UnwrittenEvents(), session()
    for seq in (1, 2, 3):
        events.put(("a", seq), UnwrittenEvent(final(seq), own, None))
    assert events.exceed_limits
    events.take(("a", 1))
    assert not events.exceed_limits


def test_a_session_restarted_on_a_new_file_is_incomplete_if_events_were_in_the_old_one() -> None:
    own = session()
    assert own.restart() == 0
    assert own.is_complete
    own.written, own.is_opened = 3, True
    assert own.restart() == 3
    assert (own.written, own.is_opened, own.is_complete) == (0, False, False)
