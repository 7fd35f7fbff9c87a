"""Sessions watched over HTTP: the list of them, and their events."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
from starlette.types import Message as AsgiMessage
from websockets.asyncio.client import ClientConnection, connect

from gateway.key_store import KEYS_SCHEMA, KeyStore
from gateway.routes.sessions import EventStream, event_text
from gateway.state import StateDatabase
from gateway.watching import Subject, Watching
from gateway.wire import OfChannel, Ready, SpeechStarted
from tests.servers import Served
from tests.sessions import hush, speech
from tests.uploading import serving_files
from tests.watching import open_ids, watch

START = json.dumps({"type": "start", "language": "en"})
STOP = json.dumps({"type": "stop"})
UTTERANCE = (hush(0.5), speech(1.2), hush(0.8))


@asynccontextmanager
async def session(served: Served, key: str | None = None) -> AsyncIterator[tuple[ClientConnection, str]]:
    """Open a session of the native dialect while the block lasts, and yield its id too."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with connect(served.stream_url, additional_headers=headers) as websocket:
        await websocket.send(START)
        ready = json.loads(await websocket.recv())
        yield websocket, ready["session_id"]


async def speak(websocket: ClientConnection) -> list[dict[str, object]]:
    """Say one utterance, and return what the gateway says up to its final."""
    for sound in UTTERANCE:
        await websocket.send(sound)
    said: list[dict[str, object]] = []
    while not said or said[-1]["type"] != "final":
        said.append(json.loads(await websocket.recv()))
    return said


async def test_a_native_session_can_be_watched_from_its_beginning_to_its_end() -> None:
    async with serving_files() as served, session(served) as (websocket, session_id):
        async with watch(served, session_id) as viewer:
            said = await speak(websocket)
            await websocket.send(STOP)
            seen = await viewer.all()
        assert viewer.response.headers["content-type"].startswith("text/event-stream")
        assert viewer.response.headers["cache-control"] == "no-store"
    assert seen[0]["type"] == "ready"
    assert seen[-1]["type"] == "finished"
    for event in seen:
        assert event.pop("last_event_id") == str(event["seq"])
    for message in said:
        assert message in seen or message["type"] == "ack"


async def test_who_comes_late_sees_the_words_so_far() -> None:
    async with serving_files() as served, session(served) as (websocket, session_id):
        await speak(websocket)
        async with watch(served, session_id) as viewer:
            seen = await viewer.until("final")
    assert [event["type"] for event in seen] == ["ready", "cue", "final"]
    assert seen[1]["state"] == "final"


@pytest.mark.parametrize("way", ["header", "address"])
async def test_who_has_lost_the_connection_goes_on_where_it_was(way: str) -> None:
    async with serving_files() as served, session(served) as (websocket, session_id):
        await speak(websocket)
        async with watch(served, session_id) as viewer:
            last = str((await viewer.until("final"))[-1]["last_event_id"])
        await speak(websocket)
        headers = {"Last-Event-ID": last} if way == "header" else {}
        async with watch(served, session_id, int(last) if way == "address" else 0, headers) as viewer:
            seen = await viewer.until("final")
    assert [event["type"] for event in seen] == ["cue", "final"]
    assert seen[-1]["utterance_id"] == 1


async def test_the_list_says_what_is_open() -> None:
    async with serving_files() as served, httpx2.AsyncClient(base_url=served.url) as client:
        async with session(served) as (_, session_id), watch(served, session_id) as viewer:
            assert await viewer.next() is not None
            (listed,) = (await client.get("/v1/sessions")).json()["data"]
            metrics = (await client.get("/metrics")).text
        assert listed.pop("opened") > 0
        assert listed == {"id": session_id, "dialect": "native", "language": "en", "viewers": 1, "about": {}}
        assert "livecue_viewers 1.0" in metrics


async def test_a_session_that_is_not_there_is_not_found() -> None:
    async with serving_files() as served, watch(served, "x" * 500) as viewer:
        body = json.loads("".join([line async for line in viewer.lines]))
    assert viewer.response.status_code == 404
    assert body["error"]["code"] == "not_found"
    assert len(body["error"]["message"]) < 300


@pytest.mark.parametrize("number", ["-1", "x", "1" * 100, "٣"])
async def test_a_number_that_is_none_is_refused(number: str) -> None:
    async with (
        serving_files() as served,
        session(served) as (_, session_id),
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        path = f"/v1/sessions/{session_id}/events"
        in_address = await client.get(path, params={"after": number})
        in_header = await client.get(path, headers={b"Last-Event-ID": number.encode()})
    assert in_address.status_code == in_header.status_code == 400
    assert in_header.json()["error"]["param"] == "Last-Event-ID"


async def test_as_many_may_watch_as_there_is_room_for() -> None:
    async with (
        serving_files(settings={"server": {"max_viewers": 1}}) as served,
        session(served) as (_, session_id),
        watch(served, session_id) as first,
    ):
        assert await first.next() is not None
        async with watch(served, session_id) as second:
            assert second.response.status_code == 503
            assert second.response.headers["Retry-After"] == "5"


@contextmanager
def keys(path: Path, *names: str) -> Iterator[Mapping[str, str]]:
    """Make stored keys, and yield them by their names."""
    database = StateDatabase(path, (KEYS_SCHEMA,))
    try:
        yield {name: KeyStore(database).create(name, 0.0) for name in names}
    finally:
        database.close()


async def test_a_key_shows_its_own_sessions_and_one_of_the_settings_all(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    settings: dict[str, dict[str, object]] = {"server": {"api_keys": ["master"]}, "state": {"database": path}}
    with keys(path, "ada", "bob") as stored:
        async with serving_files(settings=settings) as served, session(served, stored["ada"]) as (_, session_id):
            for key, ids in (("master", [session_id]), (stored["ada"], [session_id]), (stored["bob"], [])):
                headers = {"Authorization": f"Bearer {key}"}
                assert await open_ids(served, headers) == ids
                async with watch(served, session_id, headers=headers) as viewer:
                    assert viewer.response.status_code == (200 if ids else 404)
            async with watch(served, session_id) as viewer:
                assert viewer.response.status_code == 401


async def test_a_viewer_that_goes_away_is_forgotten() -> None:
    async with serving_files() as served, session(served) as (websocket, session_id):
        async with watch(served, session_id) as viewer:
            await viewer.next()
        await speak(websocket)
        with anyio.fail_after(5):
            while served.gateway.sessions.watching.viewers:
                await websocket.ping()


async def test_a_viewer_whose_connection_takes_nothing_is_dropped() -> None:
    watching = Watching()
    stalled: list[str] = []

    async def receive() -> AsgiMessage:
        await anyio.sleep_forever()
        return {}

    async def send(message: AsgiMessage) -> None:
        if message["type"] == "http.response.body":
            await anyio.sleep_forever()

    with watching.show("a", Subject("native", None, 0.0)):
        watching.tell("a", Ready(1, "a", "scripted", "script", "none", None))
        following = watching.open_sessions()["a"].follow(0)
        await EventStream(following, 0.02, lambda: stalled.append("a"))({"type": "http"}, receive, send)
        assert watching.viewers == 0
    assert stalled == ["a"]


def test_an_event_of_a_channel_says_so() -> None:
    text = event_text(OfChannel(1, SpeechStarted(7, 1, 16_000)))
    number, data, *_ = text.split("\n")
    assert number == "id: 7"
    assert json.loads(data.removeprefix("data: ")) == {
        "channel": 1,
        "type": "speech_started",
        "seq": 7,
        "utterance_id": 1,
        "start_s": 1.0,
    }
