"""The writer of server-sent events."""

import anyio
import pytest
from starlette.types import Message

from gateway.errors import SlowReader
from gateway.http.server_sent_events import COMMENT, EventStreamWriter, event_text


class Client:
    """Collects the messages of an ASGI application."""

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.reads = True

    async def send(self, message: Message) -> None:
        if not self.reads:
            await anyio.sleep_forever()
        self.received.append(message)

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.received).decode()


def test_an_event_has_its_id_before_its_data() -> None:
    assert event_text("{}", 7) == "id: 7\ndata: {}\n\n"


def test_an_event_without_an_id_has_only_data() -> None:
    assert event_text("{}") == "data: {}\n\n"


async def test_the_status_is_sent_with_the_first_write_and_once() -> None:
    client = Client()
    writer = EventStreamWriter(client.send)
    states = [writer.has_begun]
    await writer.write(COMMENT)
    states.append(writer.has_begun)
    await writer.write(event_text("{}"))
    await writer.end()
    assert states == [False, True]
    assert [message["type"] for message in client.received] == ["http.response.start", *["http.response.body"] * 3]
    assert (b"content-type", b"text/event-stream; charset=utf-8") in client.received[0]["headers"]
    assert client.text == ": \n\ndata: {}\n\n"
    assert [message.get("more_body", False) for message in client.received[1:]] == [True, True, False]


async def test_a_client_that_does_not_read_is_a_slow_reader() -> None:
    client = Client()
    writer = EventStreamWriter(client.send, 0.01)
    await writer.begin()
    client.reads = False
    with pytest.raises(SlowReader, match=r"0\.01 s"):
        await writer.write(event_text("{}"))
