"""The events of a session are delivered once, in order, and not while one of them or an earlier one is held."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.ordered_delivery import OrderedDelivery, PendingEvent
from gateway.wire import ServerEvent, Warning
from vad.errors import LivecueError


class Sink:
    """What has been delivered."""

    def __init__(self) -> None:
        self.events: list[ServerEvent] = []
        self.ends: list[LivecueError | None] = []

    def publish(self, event: ServerEvent) -> None:
        assert not self.ends, "nothing follows the end"
        self.events.append(event)

    def close(self, error: LivecueError | None) -> None:
        self.ends.append(error)


def warning(seq: int) -> Warning:
    return Warning(seq, "odd", "odd")


@given(st.lists(st.booleans(), max_size=12), st.randoms(use_true_random=False), st.booleans())
def test_events_are_delivered_in_order_whenever_they_are_released(
    holds: list[bool], random: Random, closes_early: bool
) -> None:
    sink = Sink()
    delivery = OrderedDelivery(sink)
    events = [PendingEvent(warning(seq), is_held) for seq, is_held in enumerate(holds)]
    waiting, held = list(events), list[PendingEvent]()
    while waiting or held:
        if waiting and (not held or random.random() < 0.5):
            delivery.put(pending := waiting.pop(0))
            held += [pending] if pending.is_held else []
            if not waiting and closes_early:
                delivery.close()
        else:
            delivery.release(held.pop(random.randrange(len(held))))
        put = events[: len(events) - len(waiting)]
        free = next((n for n, pending in enumerate(put) if pending.is_held), len(put))
        assert sink.events == [pending.event for pending in put[:free]]
        assert delivery.next_seq == (free if free < len(put) else None)
        assert sink.ends == ([None] if closes_early and free == len(events) else [])
    delivery.close()
    assert sink.ends == [None], "the end comes once"


def test_the_next_number_is_that_of_the_first_event_still_pending() -> None:
    delivery = OrderedDelivery(Sink())
    first, second = (PendingEvent(warning(seq), is_held=True) for seq in (4, 5))
    numbers = [delivery.next_seq]
    for step, pending in (
        (delivery.put, first),
        (delivery.put, second),
        (delivery.release, first),
        (delivery.release, second),
    ):
        step(pending)
        numbers.append(delivery.next_seq)
    assert numbers == [None, 4, 4, 5, None]


def test_a_close_with_nothing_pending_ends_at_once() -> None:
    sink, error = Sink(), LivecueError("over")
    delivery = OrderedDelivery(sink)
    delivery.close(error)
    assert delivery.is_closed
    assert sink.ends == [error]


def test_an_event_that_is_released_twice_is_delivered_once() -> None:
    sink = Sink()
    delivery = OrderedDelivery(sink)
    delivery.put(pending := PendingEvent(warning(1), is_held=True))
    delivery.release(pending)
    delivery.release(pending)
    assert sink.events == [warning(1)]


def test_an_event_that_is_released_before_it_is_put_waits_for_nothing() -> None:
    sink = Sink()
    delivery = OrderedDelivery(sink)
    pending = PendingEvent(warning(1), is_held=True)
    delivery.release(pending)
    delivery.put(pending)
    assert sink.events == [warning(1)]


def test_events_after_the_end_are_discarded() -> None:
    sink, error = Sink(), LivecueError("over")
    delivery = OrderedDelivery(sink)
    delivery.put(pending := PendingEvent(warning(1), is_held=True))
    delivery.close(error)
    delivery.close()
    delivery.put(PendingEvent(warning(2)))
    assert (sink.events, sink.ends) == ([], [])
    delivery.release(pending)
    assert (sink.events, sink.ends) == ([warning(1)], [error])


def test_what_is_pending_is_never_delivered_after_a_revocation() -> None:
    sink = Sink()
    delivery = OrderedDelivery(sink)
    held, error = PendingEvent(warning(1), is_held=True), LivecueError("lost")
    delivery.put(held)
    delivery.put(PendingEvent(warning(2)))
    delivery.close()
    delivery.revoke(error)
    delivery.release(held)
    delivery.put(PendingEvent(warning(3)))
    delivery.revoke(error)
    assert (sink.events, sink.ends) == ([], [error])


def test_a_revocation_closes_an_open_sink_once() -> None:
    sink, error = Sink(), LivecueError("lost")
    delivery = OrderedDelivery(sink)
    delivery.revoke(error)
    delivery.close()
    assert (delivery.is_closed, sink.ends) == (True, [error])
