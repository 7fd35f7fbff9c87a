"""The queue of a session's outgoing events."""

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.send_queue import SendQueue
from gateway.errors import ResumedElsewhere, SlowReader
from gateway.wire import CueEvent, DialectMessage, Flushed, OfChannel, Ready, ServerEvent
from gateway.wire.cue import Cue, CueState

PARTIAL, FINAL = CueState.PARTIAL, CueState.FINAL
READY = Ready(1, "a", "scripted", "script", "none", "en")


def cue(seq: int, cue_id: str = "1.1", state: CueState = PARTIAL) -> CueEvent:
    return CueEvent(seq, Cue(cue_id, 1, seq, 0, 100, (f"version {seq}",), 0, state))


def flushed(seq: int) -> Flushed:
    return Flushed(seq, "here")


def outbox(*events: ServerEvent, max_events: int = 1_000) -> SendQueue:
    made = SendQueue(max_events)
    for event in events:
        made.put(event)
    return made


async def rest(made: SendQueue) -> list[ServerEvent]:
    """Close it, and take all that waits."""
    made.close()
    events: list[ServerEvent] = []
    while (event := await made.get()) is not None:
        events.append(event)
    return events


async def test_events_come_out_in_order() -> None:
    events: list[ServerEvent] = [flushed(1), cue(2, "1.1"), flushed(3), cue(4, "1.2", FINAL)]
    assert await rest(outbox(*events)) == events


async def test_a_newer_revision_takes_out_the_partial_cue_that_waits() -> None:
    made = outbox(cue(1), flushed(2), cue(3), cue(4))
    assert await rest(made) == [flushed(2), cue(4)]
    assert made.replaced == 2


async def test_a_final_cue_takes_out_its_partial() -> None:
    assert await rest(outbox(cue(1), cue(2, state=FINAL))) == [cue(2, state=FINAL)]


async def test_other_cues_are_left_alone() -> None:
    made = outbox(cue(1, "1.1"), cue(2, "1.2"), cue(3, "2.1"))
    assert len(await rest(made)) == 3
    assert made.replaced == 0


async def test_a_final_cue_is_never_taken_out() -> None:
    assert await rest(outbox(cue(1, state=FINAL), cue(2))) == [cue(1, state=FINAL), cue(2)]


async def test_a_cue_that_was_sent_is_not_counted_as_replaced() -> None:
    made = outbox(cue(1))
    assert await made.get() == cue(1)
    made.put(cue(2))
    assert made.replaced == 0


def test_a_reader_that_leaves_too_much_unread_overflows_its_queue_once() -> None:
    made = outbox(flushed(1), flushed(2), max_events=2)
    assert not made.overflowed.is_set()
    made.put(flushed(3))
    made.put(flushed(4))
    assert made.overflowed.is_set()
    assert str(made.overflow) == "2 unread events (limit 2)"
    assert isinstance(made.overflow, SlowReader)


async def test_missed_messages_follow_the_first_event_without_bounds() -> None:
    made = outbox(DialectMessage("hello"), max_events=3)
    made.replay(READY, [str(number) for number in range(9)])
    made.put(flushed(2))
    missed = [DialectMessage(str(number)) for number in range(9)]
    assert await rest(made) == [DialectMessage("hello"), READY, *missed, flushed(2)]
    assert not made.overflowed.is_set()


async def test_a_connection_that_is_replaced_sends_no_missed_messages() -> None:
    made = outbox()
    made.replay(READY, ["one", "two"])
    made.close(error := ResumedElsewhere("over another connection"))
    assert await made.get() == READY
    assert await made.get() is None
    assert made.error is error


async def test_a_full_outbox_still_takes_newer_revisions() -> None:
    made = outbox(flushed(1), cue(2), max_events=2)
    for seq in range(3, 50):
        made.put(cue(seq))
    assert await rest(made) == [flushed(1), cue(49)]


async def test_items_queued_before_close_are_sent_and_later_ones_are_not() -> None:
    made = outbox(flushed(1))
    made.close()
    made.put(flushed(2))
    assert await rest(made) == [flushed(1)]
    assert await made.get() is None


async def test_a_full_outbox_that_is_closed_does_not_overflow() -> None:
    made = outbox(flushed(1), max_events=1)
    made.close()
    made.put(flushed(2))
    assert await rest(made) == [flushed(1)]
    assert not made.overflowed.is_set()


@pytest.mark.parametrize("is_closed", [False, True])
async def test_a_reader_waits_for_the_next_event_or_the_end(is_closed: bool) -> None:
    made = outbox()
    taken: list[ServerEvent | None] = []

    async def read() -> None:
        taken.append(await made.get())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await checkpoint()
        await checkpoint()
        assert taken == []
        if is_closed:
            made.close()
        else:
            made.put(flushed(1))
    assert taken == [None if is_closed else flushed(1)]


async def test_a_reader_that_was_cancelled_has_taken_nothing() -> None:
    made = outbox()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await made.get()
    made.put(flushed(1))
    assert await rest(made) == [flushed(1)]


Steps = list[tuple[str, CueState] | None]
STEPS: st.SearchStrategy[Steps] = st.lists(
    st.none() | st.tuples(st.sampled_from(("1.1", "1.2", "1.3")), st.sampled_from(CueState)), max_size=40
)


@given(STEPS)
def test_whatever_is_put_only_partials_are_replaced_and_only_by_their_newest(steps: Steps) -> None:
    put: list[ServerEvent] = [
        flushed(seq) if step is None else cue(seq, *step) for seq, step in enumerate(steps, start=1)
    ]
    made = outbox(*put)
    left = anyio.run(rest, made)
    numbers = [event.seq for event in left if not isinstance(event, DialectMessage | OfChannel)]
    assert numbers == sorted(numbers)
    assert len(left) + made.replaced == len(put)
    for index, event in enumerate(put):
        later = [other for other in put[index + 1 :] if is_version(event, other)]
        assert (event in left) is not (is_partial(event) and bool(later))


def is_partial(event: ServerEvent) -> bool:
    return isinstance(event, CueEvent) and event.cue.state is PARTIAL


def is_version(one: ServerEvent, other: ServerEvent) -> bool:
    return isinstance(one, CueEvent) and isinstance(other, CueEvent) and one.cue.cue_id == other.cue.cue_id
