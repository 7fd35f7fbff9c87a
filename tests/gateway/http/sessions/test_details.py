"""Titles of sessions and names of channels over HTTP, while a session is open and afterwards."""

from pathlib import Path

import httpx2
import pytest

from tests.uploading import serving_files
from tests.viewing import (
    bearer,
    keys,
    listed_sessions,
    received_on,
    session,
    settings_with,
    speak,
    stopped_session,
    watch,
    watch_socket,
)

ANN = {"channel": 0, "name": "Ann", "color": "#1f6feb"}


async def test_client_viewers_and_list_get_the_details_of_the_start_and_each_change(tmp_path: Path) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
        session(served, title="Council", names=[ANN]) as (websocket, session_id),
        watch(served, session_id) as viewer,
    ):
        assert (await viewer.until("details"))[-1]["title"] == "Council"
        changed = await client.patch(f"/v1/sessions/{session_id}", json={"title": "Court"})
        renamed = await client.patch(f"/v1/sessions/{session_id}", json={"names": []})
        own = [message for message in await speak(websocket) if message["type"] == "details"]
        received = [await viewer.next(), await viewer.next()]
        (listed,) = await listed_sessions(client)
    expected = [("Council", [ANN]), ("Court", [ANN]), ("Court", [])]
    assert [(message["title"], message["names"]) for message in own] == expected
    assert [own[1], own[2]] == [changed.json(), renamed.json()]
    assert [(each["title"], each["names"]) for each in received if each] == expected[1:]
    assert (listed["title"], listed["names"]) == ("Court", [])


async def test_a_session_that_is_over_is_renamed_before_and_after_a_restart(tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path)) as served:
        session_id, messages = await stopped_session(served)
        async with httpx2.AsyncClient(base_url=served.url) as client:
            await client.patch(f"/v1/sessions/{session_id}", json={"title": "Council"})
    last_seq = messages[-1]["seq"]
    assert isinstance(last_seq, int)
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        changed = await client.patch(f"/v1/sessions/{session_id}", json={"names": [ANN]})
        assert changed.json() == {"type": "details", "seq": last_seq + 2, "title": "Council", "names": [ANN]}
        (listed,) = await listed_sessions(client, all="true")
        text = (await client.get(f"/v1/sessions/{session_id}/transcript.vtt")).text
    assert (listed["title"], listed["names"], listed["outcome"]) == ("Council", [ANN], "finished")
    assert text.startswith("WEBVTT Council\n\n")
    assert "<v Ann>two three" in text


async def test_without_a_journal_an_open_session_has_details_and_a_late_viewer_gets_the_newest(tmp_path: Path) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path, is_written=False)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
        session(served) as (websocket, session_id),
    ):
        for title in ("first", "second"):
            assert (await client.patch(f"/v1/sessions/{session_id}", json={"title": title})).status_code == 200
        async with watch_socket(served, session_id) as viewer:
            await websocket.send('{"type":"stop"}')
            received, _ = await received_on(viewer)
    assert [message["title"] for message in received if message["type"] == "details"] == ["second"]


async def test_only_its_owner_with_the_scope_ingest_changes_a_session(tmp_path: Path) -> None:
    with keys(tmp_path / "state.db", "ada", "bob") as stored:
        async with (
            serving_files(settings=settings_with(tmp_path, has_keys=True)) as served,
            httpx2.AsyncClient(base_url=served.url) as client,
        ):
            past, _ = await stopped_session(served, stored["ada"])
            made = await client.post(f"/v1/sessions/{past}/view_tokens", headers=bearer(stored["ada"]))
            token = bearer(made.json()["token"])
            for headers, status in (
                (bearer(stored["bob"]), 404),
                ({}, 401),
                (token, 401),
                (bearer(stored["ada"]), 200),
            ):
                changed = await client.patch(f"/v1/sessions/{past}", headers=headers, json={"title": "Council"})
                assert changed.status_code == status


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"tilte": "x"}, 400, "validation_error"),
        ({"title": "a\nb"}, 400, "validation_error"),
        ({"title": "x" * 20_000}, 413, "payload_too_large"),
    ],
)
async def test_what_is_wrong_with_a_change_is_reported(body: object, status: int, code: str) -> None:
    async with serving_files() as served, httpx2.AsyncClient(base_url=served.url) as client:
        async with session(served) as (_, session_id):
            refused = await client.patch(f"/v1/sessions/{session_id}", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
        assert (await client.patch("/v1/sessions/none", json={})).status_code == 404
