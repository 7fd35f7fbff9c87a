"""The client and the viewers of one session."""

from contextlib import ExitStack

import anyio

from gateway.delivery.broadcast import Broadcast
from gateway.delivery.event_publisher import EventPublisher
from gateway.delivery.send_queue import SendQueue
from gateway.errors import Draining, ResumedElsewhere
from gateway.wire import Error, Ready, ServerEvent
from tests.broadcasts import NATIVE
from tests.events import final, ready


def publisher() -> tuple[EventPublisher, Broadcast]:
    broadcast = Broadcast(NATIVE)
    return EventPublisher(broadcast, "token"), broadcast


async def received(queue: SendQueue) -> list[ServerEvent]:
    queue.close(queue.error)
    events: list[ServerEvent] = []
    while (event := await queue.get()) is not None:
        events.append(event)
    return events


async def test_only_the_client_receives_the_resume_token() -> None:
    made, broadcast = publisher()
    queue = SendQueue(10)
    made.attach(queue)
    made.publish(ready())
    (own,) = await received(queue)
    assert isinstance(own, Ready)
    assert own.resume_token == "token"  # of the test
    assert broadcast.ready == ready()


async def test_events_go_to_the_client_connected_now_and_to_viewers() -> None:
    made, broadcast = publisher()
    first, second = SendQueue(10), SendQueue(10)
    with ExitStack() as stack:
        viewer = stack.enter_context(broadcast.subscribe(0))
        made.attach(first)
        made.publish(final(1))
        made.attach(second)
        made.publish(final(2))
        broadcast.deliver_all()
        assert await received(viewer.live) == [final(1), final(2)]
    assert (await received(first), await received(second)) == ([final(1)], [final(2)])
    assert (made.is_client(first), made.is_client(second)) == (False, True)


async def test_only_the_connected_client_can_be_detached() -> None:
    made, _ = publisher()
    first, second = SendQueue(10), SendQueue(10)
    made.attach(first)
    made.attach(second)
    assert not made.detach(first)
    assert made.has_client
    assert made.detach(second)
    assert not made.has_client


async def test_nothing_is_published_after_close() -> None:
    made, _ = publisher()
    queue = SendQueue(10)
    made.attach(queue)
    made.close(None)
    made.publish(final(1))
    assert made.closed.is_set()
    assert await received(queue) == []


async def test_a_close_without_an_error_has_the_reason_set_before() -> None:
    made, _ = publisher()
    queue, reason = SendQueue(10), Draining("the gateway is stopping")
    made.attach(queue)
    made.set_reason(reason)
    made.close(None)
    assert queue.error is reason


async def test_a_dismissed_client_alone_receives_the_error() -> None:
    made, broadcast = publisher()
    queue = SendQueue(10)
    error = ResumedElsewhere("the session was resumed over another connection")
    made.attach(queue)
    event = Error(1, error.code, str(error), fatal=True)
    with broadcast.subscribe(0) as viewer:
        made.dismiss(event, error)
        broadcast.deliver_all()
        assert await received(viewer.live) == []
    assert await received(queue) == [event]
    assert not made.closed.is_set()


async def test_a_client_that_connects_restarts_the_grace_time() -> None:
    made, _ = publisher()
    queue = SendQueue(10)
    made.attach(queue)
    with anyio.move_on_after(0.01) as scope:
        await made.detached_for(0.0)
    assert scope.cancelled_caught, "a client is connected"
    made.detach(queue)
    with anyio.fail_after(5):
        await made.detached_for(0.0)
