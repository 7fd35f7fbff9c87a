"""What a session says is told once, in its order, and not while it or something before it is held."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.ordered_delivery import OrderedDelivery, PendingEvent
from gateway.wire import ServerEvent, Warning


@given(st.lists(st.booleans(), max_size=12), st.randoms(use_true_random=False))
def test_events_are_told_in_their_order_whenever_they_are_released(holds: list[bool], random: Random) -> None:
    told: list[ServerEvent] = []
    events = [PendingEvent(Warning(seq, "odd", "odd"), told.append, is_held) for seq, is_held in enumerate(holds)]
    telling = OrderedDelivery()
    waiting = list(events)
    held: list[PendingEvent] = []
    while waiting or held:
        if waiting and (not held or random.random() < 0.5):
            telling.put(untold := waiting.pop(0))
            held += [untold] if untold.is_held else []
        else:
            telling.release(held.pop(random.randrange(len(held))))
        put = events[: len(events) - len(waiting)]
        free = next((n for n, untold in enumerate(put) if untold.is_held), len(put))
        assert told == [untold.event for untold in put[:free]]


def test_what_is_released_twice_is_told_once() -> None:
    told: list[ServerEvent] = []
    telling = OrderedDelivery()
    telling.put(untold := PendingEvent(Warning(1, "odd", "odd"), told.append, is_held=True))
    telling.release(untold)
    telling.release(untold)
    assert len(told) == 1
