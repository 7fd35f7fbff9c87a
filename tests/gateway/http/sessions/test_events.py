"""Sessions watched by server-sent events: past events, live events, and the end."""

import json
import time
from pathlib import Path

import anyio
import httpx2
import numpy as np
import pytest
from starlette.types import Message as AsgiMessage
from websockets.asyncio.client import connect

from gateway.delivery.broadcast import Broadcaster
from gateway.http.sessions.directory import SessionRecord
from gateway.http.sessions.event_feed import follow
from gateway.http.sessions.event_stream import EventStream
from gateway.journal.journal_file import JournalFile
from gateway.journal.store import Batch, Opening
from tests.broadcasts import registered
from tests.events import final, ready
from tests.servers import Served
from tests.sessions import Message, silence, speech
from tests.uploading import serving_files
from tests.viewing import open_ids, received_on, session, settings_with, speak, stopped_session, watch, watch_socket

STOP = json.dumps({"type": "stop"})


def words(seen: list[Message]) -> list[str]:
    """Return the kinds of the events that a viewer receives, without transient ones."""
    of_the_moment = ("speech_started", "speech_ended", "cadence", "warning")
    kinds = [f"{event.get('state', '')} {event['type']}".strip() for event in seen]
    return [kind for kind in kinds if kind not in of_the_moment]


async def test_a_native_session_can_be_watched_from_its_beginning_to_its_end() -> None:
    async with serving_files() as served, session(served) as (websocket, session_id):
        async with watch(served, session_id) as viewer:
            messages = await speak(websocket)
            await websocket.send(STOP)
            seen = await viewer.all()
        assert viewer.response.headers["content-type"].startswith("text/event-stream")
        assert viewer.response.headers["cache-control"] == "no-store"
    assert seen[0]["type"] == "ready"
    assert seen[-1]["type"] == "finished"
    for event in seen:
        assert event.pop("last_event_id") == str(event["seq"])
    for message in messages:
        assert message in seen or message["type"] == "ack"


async def test_a_late_viewer_sees_the_words_so_far() -> None:
    async with serving_files() as served, session(served) as (websocket, session_id):
        await speak(websocket)
        async with watch(served, session_id) as viewer:
            seen = await viewer.until("final")
    assert words(seen) == ["ready", "final cue", "final"]


@pytest.mark.parametrize("way", ["header", "address"])
async def test_a_reconnecting_viewer_continues_where_it_was(way: str) -> None:
    async with serving_files() as served, session(served) as (websocket, session_id):
        await speak(websocket)
        async with watch(served, session_id) as viewer:
            last = str((await viewer.until("final"))[-1]["last_event_id"])
        await speak(websocket)
        headers = {"Last-Event-ID": last} if way == "header" else {}
        async with watch(served, session_id, int(last) if way == "address" else 0, headers) as viewer:
            seen = await viewer.until("final")
    assert words(seen) == ["final cue", "final"]
    assert seen[-1]["utterance_id"] == 1


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


async def test_a_viewer_that_goes_away_is_forgotten() -> None:
    async with serving_files() as served, session(served) as (websocket, session_id):
        async with watch(served, session_id) as viewer:
            await viewer.next()
        await speak(websocket)
        with anyio.fail_after(5):
            while served.gateway.sessions.broadcaster.viewers:
                await websocket.ping()


async def test_a_viewer_that_comes_after_hours_gets_all_events(tmp_path: Path) -> None:
    messages = {("a", 1): ready()} | {("a", seq): final(seq, seq) for seq in range(2, 1_602)}
    opening = Opening("a", "native", None, time.time(), {})
    write_down(tmp_path, Batch([opening], messages))
    async with serving_files(settings=settings_with(tmp_path)) as served, watch(served, "a") as viewer:
        assert [event["seq"] for event in await viewer.all()] == list(range(1, 1_602))


def write_down(folder: Path, batch: Batch) -> None:
    """Write the journal of a previous gateway."""
    store = JournalFile(folder / "journal.db")
    store.write(batch)
    store.close()


async def test_all_events_are_sent_however_few_are_in_memory(tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path)) as served, session(served) as (websocket, session_id):
        for _ in range(3):
            await speak(websocket)
        watched = served.gateway.sessions.broadcaster.open_sessions()[session_id]
        watched._backlog.clear()
        async with watch(served, session_id) as viewer:
            finals = [(await viewer.until("final"))[-1] for _ in range(3)]
    assert [event["utterance_id"] for event in finals] == [0, 1, 2]


async def test_a_session_that_is_over_is_sent_whole_and_then_not_again(tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path)) as served:
        session_id, messages = await stopped_session(served)
        async with watch(served, session_id) as viewer:
            seen = await viewer.all()
        last = str(seen[-1]["last_event_id"])
        async with watch(served, session_id, headers={"Last-Event-ID": last}) as viewer:
            assert viewer.response.status_code == 204
            assert "content-type" not in viewer.response.headers
            assert await viewer.all() == []
    assert [event["type"] for event in (seen[0], seen[-1])] == ["ready", "finished"]
    lasting = [event for event in messages if event["type"] == "final" or event.get("state") == "final"]
    for event in seen:
        del event["last_event_id"]
    assert all(event in seen for event in lasting)
    assert not [event for event in seen if event["type"] in ("ack", "flushed")]


async def test_after_a_restart_a_session_that_is_over_is_sent_as_before(tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path)) as served:
        session_id, _ = await stopped_session(served)
        async with watch(served, session_id) as viewer:
            before = await viewer.all()
    async with serving_files(settings=settings_with(tmp_path)) as served, watch(served, session_id) as viewer:
        assert await viewer.all() == before


async def test_a_session_resumed_after_a_restart_is_sent_from_its_beginning(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    async with serving_files(settings=settings) as served, connect(served.stream_url) as websocket:
        await websocket.send(json.dumps({"type": "start", "language": "en", "resumable": True}))
        ready = json.loads(await websocket.recv())
        messages = await speak(websocket)
    session_id, token = ready["session_id"], ready["resume_token"]
    resume = {"type": "resume", "session_id": session_id, "token": token, "after_seq": messages[-1]["seq"]}
    async with serving_files(settings=settings) as served, connect(served.stream_url) as websocket:
        await websocket.send(json.dumps(resume | {"held_sample": 0}))
        assert json.loads(await websocket.recv())["type"] == "ready"
        async with httpx2.AsyncClient(base_url=served.url) as client:
            (listed,) = (await client.get("/v1/sessions")).json()["data"]
        async with watch(served, session_id) as viewer:
            seen = await viewer.until("final")
    assert (listed["id"], listed["language"]) == (session_id, "en")
    assert words(seen) == ["ready", "final cue", "final"]
    assert token not in json.dumps(seen)


async def test_a_detached_session_is_sent_and_the_viewer_reconnects(tmp_path: Path) -> None:
    write_down(tmp_path, left_open(time.time()))
    async with serving_files(settings=settings_with(tmp_path)) as served:
        for seen, expected in ((0, [1, 2]), (2, [])):
            async with watch(served, "a", after=seen) as viewer:
                assert viewer.response.status_code == 200
                assert [event["seq"] for event in await viewer.all()] == expected
        async with watch_socket(served, "a", after=2) as websocket:
            assert await received_on(websocket) == ([], 1013)


async def test_a_session_that_can_no_longer_be_resumed_is_over_before_it_is_swept(tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path)) as served:
        assert served.gateway.sessions.journal is not None
        await served.gateway.sessions.journal.maintenance.sweep()
        write_down(tmp_path, left_open(time.time() - 1_000))
        async with watch(served, "a", after=2) as viewer:
            assert viewer.response.status_code == 204


def left_open(touched_s: float) -> Batch:
    """Return what a gateway has written that was killed."""
    opening = Opening("a", "native", None, touched_s, {})
    return Batch([opening], {("a", 1): ready(), ("a", 2): final(2)})


@pytest.mark.parametrize("is_written", [True, False])
async def test_without_a_journal_that_can_be_read_memory_must_do(tmp_path: Path, is_written: bool) -> None:
    if is_written:
        (tmp_path / "journal.db").write_bytes(b"no database" * 1_000)
    settings = settings_with(tmp_path, is_written=is_written)
    async with serving_files(settings=settings) as served, session(served) as (websocket, session_id):
        await speak(websocket)
        async with watch(served, session_id) as viewer:
            seen = await viewer.until("final")
            await speak(websocket)
            news = await viewer.until("final")
    assert words(seen) == ["ready", "final cue", "final"]
    assert news[-1]["utterance_id"] == 1


async def test_a_session_in_two_channels_is_sent_as_it_was(tmp_path: Path) -> None:
    query = "encoding=linear16&sample_rate=16000&channels=2&multichannel=true"
    async with serving_files(settings=settings_with(tmp_path)) as served:
        async with connect(f"{served.url.replace('http', 'ws', 1)}/v1/listen?{query}") as websocket:
            (session_id,) = await opened(served)
            async with watch(served, session_id) as viewer:
                await websocket.send(interleaved(silence(0.5) + speech(1.2) + silence(0.8)))
                await websocket.send(json.dumps({"type": "CloseStream"}))
                live = await viewer.all()
        async with watch(served, session_id) as viewer:
            later = await viewer.all()
    finals = [event for event in live if event["type"] == "final"]
    assert {event["channel"] for event in finals} == {0, 1}
    assert [event for event in later if event["type"] == "final"] == finals


async def opened(served: Served) -> list[str]:
    """Return the ids of the sessions, once there is one."""
    with anyio.fail_after(5):
        while not (ids := await open_ids(served)):
            pass
    return ids


def interleaved(audio: bytes) -> bytes:
    """Return stereo audio with the same signal on both channels."""
    samples = np.frombuffer(audio, "<i2")
    return np.stack((samples, samples), axis=1).tobytes()


async def test_a_viewer_whose_connection_takes_nothing_is_dropped() -> None:
    watching = Broadcaster()
    stalled: list[str] = []

    async def receive() -> AsgiMessage:
        await anyio.sleep_forever()
        return {}

    async def send(message: AsgiMessage) -> None:
        if message["type"] == "http.response.body":
            await anyio.sleep_forever()

    with registered(watching) as publish:
        publish(ready())
        record = SessionRecord("a", watching.open_sessions()["a"], None, is_over=False)
        following = follow(record, None, 0)
        await EventStream(following, 0.02, lambda: stalled.append("a"))({"type": "http"}, receive, send)
        assert watching.viewers == 0
    assert stalled == ["a"]
