"""The sending half of one connection."""

import json

import anyio
import pytest

from gateway.delivery.send_queue import SendQueue
from gateway.errors import Draining, SlowReader
from gateway.session.connection_writer import ConnectionWriter, fail_within
from gateway.transport import memory_pair
from gateway.wire import Error, Flushed
from gateway.wire.native.codec import NativeCodec
from tests.events import final
from tests.sessions import open_context

STOPPING = Draining("the gateway is stopping")


async def test_events_are_sent_in_order_until_the_queue_is_closed() -> None:
    async with open_context() as context:
        transport, stream = memory_pair()
        queue = SendQueue(10)
        writer = ConnectionWriter(transport, NativeCodec(), queue, 1.0, context.metrics)
        queue.put(Flushed(1, "a"))
        queue.put(final(2))
        queue.close(STOPPING)
        assert [await writer.next_sent() for _ in range(3)] == [Flushed(1, "a"), final(2), None]
        assert [json.loads(await stream.receive())["type"] for _ in range(2)] == ["flushed", "final"]
        assert writer.error is STOPPING
        assert not writer.is_closing
        await transport.close(1000, "")
        await stream.aclose()


async def test_a_close_sends_the_last_event_and_the_code_of_the_error() -> None:
    async with open_context() as context:
        transport, stream = memory_pair()
        writer = ConnectionWriter(transport, NativeCodec(), SendQueue(10), 1.0, context.metrics)
        await writer.close(STOPPING, Error(0, STOPPING.code, str(STOPPING), fatal=True))
        assert json.loads(await stream.receive())["code"] == "draining"
        assert (transport.close_code, writer.is_closing, writer.error) == (1012, True, STOPPING)
        await stream.aclose()


async def test_a_client_that_takes_no_message_in_time_is_a_slow_reader() -> None:
    error = SlowReader("the client read nothing")
    with pytest.raises(SlowReader, match="nothing"), anyio.fail_after(5), fail_within(0.0, error):
        await anyio.sleep_forever()
