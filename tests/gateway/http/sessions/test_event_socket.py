"""Sessions watched over a WebSocket: the same events, one a message."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from starlette.types import Message as AsgiMessage
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from gateway.delivery.broadcast import VIEWER_EVENTS, Broadcast, Broadcaster, Loss
from gateway.http.sessions.directory import SessionRecord
from gateway.http.sessions.event_feed import EventFeed, follow
from gateway.http.sessions.event_socket import EventSocket
from gateway.wire import Finished
from tests.broadcasts import publish, registered
from tests.events import final, ready
from tests.sessions import Message
from tests.uploading import serving_files
from tests.viewing import (
    MASTER,
    bearer,
    received_on,
    session,
    settings_with,
    speak,
    stopped_session,
    watch,
    watch_socket,
)

STOP = json.dumps({"type": "stop"})


def offer(secret: str) -> list[Subprotocol]:
    """Return the subprotocols by which a page brings a key or a token."""
    encoded = urlsafe_b64encode(secret.encode()).decode().rstrip("=")
    return [Subprotocol("livecue"), Subprotocol(f"livecue-key.{encoded}")]


def lasting(events: list[Message]) -> list[Message]:
    """Return what no viewer misses: a partial cue may give way to a newer one before it is read."""
    return [event for event in events if event.get("state") != "partial"]


async def test_both_transports_send_the_same_events(tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path)) as served, session(served) as (websocket, session_id):
        async with watch(served, session_id) as viewer, watch_socket(served, session_id) as other:
            await speak(websocket)
            await websocket.send(STOP)
            events = await viewer.all()
            messages, code = await received_on(other)
        async with watch_socket(served, session_id, after=messages[-2]["seq"]) as late:
            assert await received_on(late) == (messages[-1:], 1000)
    assert code == 1000
    for event in events:
        del event["last_event_id"]
    assert lasting(events) == lasting(messages)
    assert messages[-1]["type"] == "finished"


async def test_a_session_that_is_over_is_sent_and_closed(tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path)) as served:
        session_id, _ = await stopped_session(served)
        async with watch_socket(served, session_id) as websocket:
            messages, code = await received_on(websocket)
        async with watch_socket(served, session_id, after=messages[-1]["seq"]) as websocket:
            assert await received_on(websocket) == ([], 1000)
    assert (messages[0]["type"], messages[-1]["type"], code) == ("ready", "finished", 1000)


async def test_messages_of_a_viewer_are_ignored() -> None:
    async with (
        serving_files() as served,
        session(served) as (websocket, session_id),
        watch_socket(served, session_id) as viewer,
    ):
        for message in ("{}", b"\x00\xff", "x" * 10_000):
            await viewer.send(message)
        await speak(websocket)
        kinds = [json.loads(await viewer.recv())["type"] for _ in range(2)]
    assert kinds == ["ready", "speech_started"]


async def refusal(url: str, **options: object) -> tuple[int, str]:
    """Return status and code of the HTTP response by which a WebSocket is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, **options):  # type: ignore[arg-type]  # whatever a test wants
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"")["error"]["code"]


async def test_refusals_are_sent_before_the_upgrade() -> None:
    async with (
        serving_files(settings={"server": {"max_viewers": 1}}) as served,
        session(served) as (_, session_id),
    ):
        url = f"{served.url.replace('http', 'ws', 1)}/v1/sessions/{session_id}/events"
        assert await refusal(url, origin="https://elsewhere.example") == (403, "forbidden_origin")
        assert await refusal(url.replace(session_id, "elsewhere")) == (404, "not_found")
        for number in ("-1", "x", "", "1" * 100):
            assert await refusal(f"{url}?after={number}") == (400, "validation_error")
        async with watch_socket(served, session_id):
            assert await refusal(url) == (503, "overloaded")


@pytest.mark.parametrize("way", ["/v1/stream", "/v1/sessions/{}/events"])
async def test_a_page_brings_its_key_as_a_subprotocol(tmp_path: Path, way: str) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path, has_keys=True)) as served,
        session(served, MASTER) as (_, session_id),
    ):
        url = served.url.replace("http", "ws", 1) + way.format(session_id)
        async with connect(url, subprotocols=offer(MASTER)) as websocket:
            assert websocket.subprotocol == "livecue"
        async with connect(url, subprotocols=offer(MASTER)[:1], additional_headers=bearer(MASTER)) as websocket:
            assert websocket.subprotocol == "livecue"
        async with connect(url, additional_headers=bearer(MASTER)) as websocket:
            assert websocket.subprotocol is None
        assert await refusal(url, subprotocols=offer("wrong")) == (401, "unauthorized")
        assert await refusal(url, subprotocols=offer("ключ")) == (401, "unauthorized")
        assert await refusal(url, subprotocols=offer("")) == (401, "unauthorized")
        assert await refusal(url) == (401, "unauthorized")
        for garbage in ("livecue-key.A", "livecue-key._w", "livecue-key.!!!"):
            assert await refusal(url, subprotocols=[Subprotocol(garbage)]) == (400, "validation_error")


class Socket:
    """A server's end of a WebSocket whose peer may stop reading, or leave.

    Args:
        takes: messages that are taken; the next one waits for ever.
    """

    def __init__(self, takes: int) -> None:
        self.sent: list[AsgiMessage] = []
        self.gone = anyio.Event()
        self._takes = takes
        self._is_new = True
        scope = {"type": "websocket", "headers": [], "subprotocols": [], "query_string": b"", "path": "/"}
        self.websocket = WebSocket(scope, self._receive, self._send)

    @property
    def close_code(self) -> object:
        return self.sent[-1].get("code")

    async def _receive(self) -> AsgiMessage:
        if self._is_new:
            self._is_new = False
            return {"type": "websocket.connect"}
        await self.gone.wait()
        return {"type": "websocket.disconnect", "code": 1001}

    async def _send(self, message: AsgiMessage) -> None:
        await anyio.lowlevel.checkpoint()
        if message["type"] == "websocket.send":
            if not self._takes:
                await anyio.sleep_forever()
            self._takes -= 1
        self.sent.append(message)


@contextmanager
def live(watching: Broadcaster) -> Iterator[tuple[Broadcast, EventFeed]]:
    """Open a session, and follow it."""
    with registered(watching) as publish:
        publish(ready())
        watched = watching.open_sessions()["a"]
        with follow(SessionRecord("a", watched, None, is_over=False), None, 0) as story:
            yield watched, story


async def test_a_viewer_whose_connection_takes_nothing_is_dropped_and_asked_to_reconnect() -> None:
    watching, socket = Broadcaster(), Socket(takes=0)
    with live(watching) as (watched, story):
        await EventSocket(socket.websocket, 0.02, watching.count_stalled).run(story)
    assert watched.viewers == 0
    assert socket.close_code == 1013
    assert +watching.losses == {"viewers_dropped": 1}


async def test_a_viewer_that_leaves_too_much_unread_is_dropped_and_asked_to_reconnect() -> None:
    watching, socket = Broadcaster(), Socket(takes=10_000)
    with live(watching) as (watched, story):
        for seq in range(2, VIEWER_EVENTS + 10):
            publish(watched, final(seq, seq))
        await EventSocket(socket.websocket, 10.0, watching.count_stalled).run(story)
    assert len([message for message in socket.sent if message["type"] == "websocket.send"]) == VIEWER_EVENTS + 1
    assert socket.close_code == 1013
    assert watching.losses[Loss.DROPPED] == 1


@pytest.mark.parametrize("takes", range(5))
async def test_a_viewer_may_leave_at_any_message(takes: int) -> None:
    watching, socket = Broadcaster(), Socket(takes)
    async with anyio.create_task_group() as tasks:
        with live(watching) as (watched, story):
            for seq in range(2, 2 + takes):
                publish(watched, final(seq, seq))
            tasks.start_soon(EventSocket(socket.websocket, 10.0, watching.count_stalled).run, story)
            await anyio.wait_all_tasks_blocked()
            socket.gone.set()
            await anyio.wait_all_tasks_blocked()
        assert watched.viewers == 0
    assert not [message for message in socket.sent if message["type"] == "websocket.close"]
    assert not watching.losses.total()


async def test_after_the_last_word_the_socket_is_closed_as_usual() -> None:
    watching, socket = Broadcaster(), Socket(takes=10)
    with live(watching) as (watched, story):
        publish(watched, Finished(2, 100, 0))
        watched.end()
        await EventSocket(socket.websocket, 10.0, watching.count_stalled).run(story)
    assert socket.close_code == 1000
