"""A client that sends nothing is idle; one that does not read is a slow reader."""

import anyio
import pytest

from gateway.delivery.send_queue import SendQueue
from gateway.errors import SlowReader
from gateway.session.idle_watch import IdleWatch
from gateway.wire import Flushed

LONG_S = 60.0
SHORT_S = 0.01


def full_queue() -> SendQueue:
    queue = SendQueue(max_events=1)
    queue.put(Flushed(1, "a"))
    queue.put(Flushed(2, "b"))
    return queue


async def test_a_client_that_never_sends_is_idle_after_the_shorter_timeout() -> None:
    with anyio.fail_after(5):
        assert await IdleWatch(LONG_S, SHORT_S).idle(SendQueue(1), lambda: True) == SHORT_S


async def test_a_client_that_has_sent_something_is_idle_after_the_idle_timeout() -> None:
    watch = IdleWatch(SHORT_S, LONG_S)
    watch.count_message()
    with anyio.fail_after(5):
        assert await watch.idle(SendQueue(1), lambda: True) == SHORT_S


async def test_the_timeout_does_not_run_while_the_session_is_not_active() -> None:
    checks = 0

    def is_active() -> bool:
        nonlocal checks
        checks += 1
        return checks > 20

    with anyio.fail_after(5):
        assert await IdleWatch(SHORT_S, SHORT_S).idle(SendQueue(1), is_active) == SHORT_S
    assert checks == 24, "four checks in a row"


async def test_each_message_restarts_the_timeout() -> None:
    watch, checks = IdleWatch(SHORT_S, SHORT_S), 0

    def is_active() -> bool:
        nonlocal checks
        checks += 1
        if checks % 3 == 0 and checks < 30:
            watch.count_message()
        return True

    with anyio.fail_after(5):
        assert await watch.idle(SendQueue(1), is_active) == SHORT_S
    assert checks > 27, "of any three checks one saw a message until then"


async def test_a_client_that_does_not_read_is_a_slow_reader() -> None:
    with pytest.raises(SlowReader, match="1 unread events"), anyio.fail_after(5):
        await IdleWatch(LONG_S, LONG_S).idle(full_queue(), lambda: True)


async def test_a_full_queue_that_is_closed_ends_the_watch() -> None:
    queue = full_queue()
    queue.close()
    with anyio.fail_after(5):
        assert await IdleWatch(LONG_S, LONG_S).idle(queue, lambda: True) is None
