"""Caption events over HTTP: one address for one session after the other."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx2
import pytest

from gateway.journal.caption_events import CaptionEvents
from tests.servers import Served
from tests.uploading import serving_files
from tests.viewing import (
    MASTER,
    bearer,
    keys,
    listed_sessions,
    session,
    settings_with,
    speak,
    stopped_session,
    watch,
)

PATH = "/v1/events/weekly"


@asynccontextmanager
async def served_with(folder: Path, **options: bool) -> AsyncIterator[tuple[Served, httpx2.AsyncClient]]:
    async with (
        serving_files(settings=settings_with(folder, **options)) as served,
        httpx2.AsyncClient(base_url=served.url, timeout=20) as client,
    ):
        yield served, client


async def test_an_event_waits_then_is_live_then_has_ended_and_outlives_the_gateway(tmp_path: Path) -> None:
    async with served_with(tmp_path) as (served, client):
        made = await client.put(PATH, json={"title": "Sunday"})
        expected = {"event": "weekly", "title": "Sunday", "url": "/e/weekly", "token": None, "expires_at": None}
        assert made.json() == expected | {"state": "waiting", "session_id": None}
        assert made.headers["cache-control"] == "no-store"
        async with session(served, event="weekly") as (websocket, session_id):
            live = (await client.get(PATH)).json()
            assert (live["state"], live["session_id"]) == ("live", session_id)
            assert [each["event"] for each in await listed_sessions(client)] == ["weekly"]
            await websocket.send(json.dumps({"type": "stop"}))
            async for _ in websocket:
                pass
    async with served_with(tmp_path) as (served, client):
        ended = (await client.get(PATH)).json()
        assert ended == expected | {"state": "ended", "session_id": session_id}
        assert (await client.put(PATH)).json() == ended, "without a title it keeps its own"
        assert (await client.put(PATH, json={"title": None})).json()["title"] is None
        async with session(served, event="weekly") as (_, second):
            assert (await client.get(PATH)).json()["session_id"] == second
        await client.delete(f"/v1/sessions/{session_id}")
        assert [each["event"] for each in (await client.get("/v1/events")).json()["data"]] == ["weekly"]
        assert (await client.delete(PATH)).status_code == 204
        assert (await client.get(PATH)).status_code == (await client.delete(PATH)).status_code == 404
        assert (await client.get("/v1/events")).json() == {"object": "list", "data": []}


async def test_an_event_whose_session_is_deleted_waits_for_another(tmp_path: Path) -> None:
    async with served_with(tmp_path) as (served, client):
        await client.put(PATH)
        async with session(served, event="weekly") as (websocket, session_id):
            await websocket.send(json.dumps({"type": "stop"}))
            async for _ in websocket:
                pass
        await client.delete(f"/v1/sessions/{session_id}")
        found = (await client.get(PATH)).json()
    assert (found["state"], found["session_id"]) == ("waiting", None)


async def test_viewers_wait_for_the_next_session(tmp_path: Path) -> None:
    async with served_with(tmp_path) as (served, client):
        await client.put(PATH)
        answers: list[httpx2.Response] = []

        async def wait(after: str) -> None:
            answers.append(await client.get(PATH, params={"after": after, "wait_s": "60"}))

        assert served.gateway.sessions.journal is not None
        events = served.gateway.sessions.journal.caption_events
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(wait, "")
            await waited_for(events)
            async with session(served, event="weekly") as (_, first):
                while len(answers) < 2:
                    await anyio.lowlevel.checkpoint()
                assert [answer.json()["session_id"] for answer in answers] == [first, first]
                await wait("another")
                assert answers[-1].json()["session_id"] == first, "at once"
                tasks.start_soon(wait, first)
                await waited_for(events)
                async with session(served, event="weekly") as (_, second):
                    while len(answers) < 4:
                        await anyio.lowlevel.checkpoint()
                    assert answers[-1].json()["session_id"] == second
        begun_s = time.monotonic()
        same = await client.get(PATH, params={"after": second, "wait_s": "0.05"})
        assert same.json()["session_id"] == second
        assert time.monotonic() - begun_s >= 0.05


async def waited_for(events: CaptionEvents) -> None:
    """Wait until somebody waits for a session."""
    while "weekly" not in events._changes:
        await anyio.lowlevel.checkpoint()


async def test_waiting_ends_when_the_event_is_deleted_or_the_gateway_stops(tmp_path: Path) -> None:
    async with served_with(tmp_path) as (served, client):
        assert served.gateway.sessions.journal is not None
        events = served.gateway.sessions.journal.caption_events
        statuses: list[int] = []

        async def wait() -> None:
            statuses.append((await client.get(PATH, params={"wait_s": "60"})).status_code)

        await client.put(PATH)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await waited_for(events)
            await client.delete(PATH)
        await client.put(PATH)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await waited_for(events)
            served.gateway.sessions.drain.begin()
    assert statuses == [404, 200]


@dataclass(frozen=True, slots=True)
class Keyed:
    """A gateway with keys."""

    served: Served
    client: httpx2.AsyncClient
    keys: Mapping[str, str]

    async def put(self, key: str, **fields: object) -> httpx2.Response:
        return await self.client.put(PATH, headers=bearer(self.keys[key]), json=fields)


@asynccontextmanager
async def keyed(folder: Path) -> AsyncIterator[Keyed]:
    with keys(folder / "state.db", "ada", "bob") as stored:
        async with served_with(folder, has_keys=True) as (served, client):
            yield Keyed(served, client, {**stored, "master": MASTER})


async def test_a_view_token_gives_access_to_the_event_and_all_its_sessions_and_nothing_else(tmp_path: Path) -> None:
    async with keyed(tmp_path) as made:
        created = (await made.put("ada", expires_after_s=3600)).json()
        token, client = created["token"], made.client
        assert created["url"] == f"/e/weekly?token={token}"
        assert 3500 < created["expires_at"] - time.time() <= 3600
        shown = await client.get(PATH, params={"token": token})
        assert (shown.status_code, shown.json()["token"]) == (200, None)
        foreign, _ = await stopped_session(made.served, made.keys["ada"])
        ids = []
        for _ in range(2):
            async with session(made.served, made.keys["ada"], event="weekly") as (websocket, session_id):
                ids.append(session_id)
                await speak(websocket)
                async with watch(made.served, session_id, token=token) as viewer:
                    assert (await viewer.until("final"))[-1]["text"]
                await websocket.send(json.dumps({"type": "stop"}))
                async for _ in websocket:
                    pass
        for session_id, status in ((ids[0], 200), (ids[1], 200), (foreign, 401), ("none", 401)):
            transcript = await client.get(f"/v1/sessions/{session_id}/transcript.txt", params={"token": token})
            assert transcript.status_code == status
        assert (await client.get("/v1/events", headers=bearer(token))).status_code == 401
        assert (await client.put(PATH, headers=bearer(token))).status_code == 401
        own = await client.post(f"/v1/sessions/{ids[0]}/view_tokens", headers=bearer(made.keys["ada"]))
        assert (await client.get(PATH, params={"token": own.json()["token"]})).status_code == 401
        revoked = await client.delete(f"{PATH}/view_tokens", headers=bearer(made.keys["ada"]))
        assert revoked.status_code == 204
        assert (await client.get(PATH, params={"token": token})).status_code == 401


async def test_an_event_belongs_to_the_key_that_created_it(tmp_path: Path) -> None:
    async with keyed(tmp_path) as made:
        client = made.client
        assert (await made.put("ada", title="Sunday")).status_code == 200
        taken = await made.put("bob")
        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "conflict")
        assert (await made.put("master", title="Monday")).json()["title"] == "Monday"
        for key, status in (("ada", 200), ("bob", 404), ("master", 200)):
            assert (await client.get(PATH, headers=bearer(made.keys[key]))).status_code == status
            listed = await client.get("/v1/events", headers=bearer(made.keys[key]))
            assert len(listed.json()["data"]) == (status == 200)
        assert (await client.delete(PATH, headers=bearer(made.keys["bob"]))).status_code == 404
        assert (await client.get(PATH)).status_code == (await client.put(PATH)).status_code == 401


@pytest.mark.parametrize(("method", "path"), [("PUT", "/v1/events/a_b"), ("GET", "/v1/events/ab"), ("GET", PATH)])
async def test_what_is_no_event_is_refused(method: str, path: str) -> None:
    async with serving_files() as served, httpx2.AsyncClient(base_url=served.url) as client:
        refused = await client.request(method, path)
    assert refused.status_code == (404 if path == PATH else 400)


@pytest.mark.parametrize(
    "body",
    [{"title": "a\nb"}, {"title": "x" * 201}, {"expires_after_s": 59}, {"expires_after_s": 10**8}, {"x": 1}],
)
async def test_what_is_wrong_with_an_event_is_reported(body: object) -> None:
    async with serving_files() as served, httpx2.AsyncClient(base_url=served.url) as client:
        refused = await client.put(PATH, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "validation_error")
