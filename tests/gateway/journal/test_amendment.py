"""What is written to a session that has ended keeps its end."""

from gateway.journal.amendment import amendment
from gateway.journal.store import Change, Entry
from gateway.wire import OfChannel
from tests.events import correction

ENTRY = Entry("a", "native", None, {}, None, 0.0, 5.0, 6.0, "interrupted", is_complete=True, finals=1)


def test_a_batch_has_the_event_what_it_supersedes_and_the_end_as_it_was() -> None:
    batch = amendment(ENTRY, OfChannel(1, correction(9)), (7,), now_s=10.0)
    assert batch.events == {("a", 9): OfChannel(1, correction(9))}
    assert list(batch.superseded) == [("a", 7)]
    assert batch.changes == [Change("a", 10.0, ended_s=6.0, outcome="interrupted")]
    assert not batch.openings
