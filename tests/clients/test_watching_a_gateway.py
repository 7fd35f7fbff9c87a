"""A client that watches a real gateway: a session while it runs, by its link, and when it is over."""

import json
from pathlib import Path

import anyio
import httpx2
import pytest

from clients.connection import ConnectionFailed
from clients.watch import find_session, watch
from gateway.wire import Final, Finished, Ready, ServerEvent
from tests.uploading import serving_files
from tests.viewing import MASTER, bearer, session, settings_with, speak, stopped_session

STOP = json.dumps({"type": "stop"})


async def link_of(client: httpx2.AsyncClient, url: str, session_id: str) -> str:
    """Return what the captioner shows for sharing."""
    made = await client.post(f"/v1/sessions/{session_id}/view_tokens", headers=bearer(MASTER))
    return url + str(made.json()["url"])


async def test_a_session_is_watched_by_its_link_while_it_runs(tmp_path: Path) -> None:
    seen: list[ServerEvent] = []
    async with (
        serving_files(settings=settings_with(tmp_path, has_keys=True)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
        session(served, MASTER) as (websocket, session_id),
        anyio.create_task_group() as tasks,
    ):
        messages = await speak(websocket)  # earlier events
        find = await find_session(await link_of(client, served.url, session_id))
        tasks.start_soon(watch, find, seen.append)
        messages += await speak(websocket)
        await websocket.send(STOP)
    assert isinstance(seen[0], Ready)
    assert isinstance(seen[-1], Finished)
    texts = [message["text"] for message in messages if message["type"] == "final"]
    assert [event.text for event in seen if isinstance(event, Final)] == texts
    assert len(texts) == 2


async def test_a_session_that_is_over_is_emitted_to_its_end(tmp_path: Path) -> None:
    seen: list[ServerEvent] = []
    async with serving_files(settings=settings_with(tmp_path)) as served:
        session_id, messages = await stopped_session(served)
        await watch(await find_session(f"{served.url}/watch/{session_id}"), seen.append)
    assert [event.text for event in seen if isinstance(event, Final)] == [
        message["text"] for message in messages if message["type"] == "final"
    ]
    assert isinstance(seen[-1], Finished)


@pytest.mark.parametrize(("token", "status"), [("", 401), ("?token=vt_guess", 401)])
async def test_without_a_token_of_its_own_nothing_is_watched(tmp_path: Path, token: str, status: int) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path, has_keys=True)) as served,
        session(served, MASTER) as (_, session_id),
    ):
        find = await find_session(f"{served.url}/watch/{session_id}{token}")
        with pytest.raises(ConnectionFailed) as refused:
            await watch(find, lambda _: None)
    assert refused.value.status == status
