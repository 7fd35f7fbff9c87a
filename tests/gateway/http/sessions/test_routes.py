"""Sessions over HTTP: their list, its visibility, and their deletion."""

import time
from pathlib import Path

import httpx2
import pytest

from gateway.journal.journal_file import JournalFile
from gateway.journal.store import Batch, Opening
from gateway.runtime import Gateway
from tests.uploading import serving_files
from tests.viewing import MASTER, bearer, keys, open_ids, session, settings_with, speak, stopped_session, watch


async def test_the_list_has_the_open_sessions() -> None:
    async with serving_files() as served, httpx2.AsyncClient(base_url=served.url) as client:
        async with session(served) as (_, session_id), watch(served, session_id) as viewer:
            assert await viewer.next() is not None
            (listed,) = (await client.get("/v1/sessions")).json()["data"]
            metrics = (await client.get("/metrics")).text
        assert listed.pop("opened") > 0
        open_now: dict[str, object] = {"ended": None, "outcome": None, "viewers": 1, "key": None}
        open_now |= {"audio_s": 0.0, "lag_s": 0.0, "words": 0}
        open_now |= {"title": None, "names": [], "event": None, "excerpt": None}
        assert listed == {"id": session_id, "dialect": "native", "language": "en", "about": {}} | open_now
        assert "livecue_viewers 1.0" in metrics


async def test_the_list_has_what_is_over_when_asked(tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path)) as served:
        past, _ = await stopped_session(served)
        async with session(served) as (_, present):
            assert await open_ids(served) == [present]
            async with httpx2.AsyncClient(base_url=served.url) as client:
                first, second = (await client.get("/v1/sessions", params={"all": "true"})).json()["data"]
    assert (first["id"], first["outcome"], first["language"], first["viewers"]) == (past, "finished", "en", 0)
    assert first["ended"] > first["opened"] > 0
    assert (first["audio_s"], first["lag_s"], first["words"]) == (None, None, None)
    assert (second["id"], second["outcome"], second["ended"]) == (present, None, None)


async def test_ended_sessions_are_listed_after_a_restart(tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path)) as served:
        past, _ = await stopped_session(served)
    async with serving_files(settings=settings_with(tmp_path)) as served:
        assert await open_ids(served, with_past=True) == [past]
        assert await open_ids(served) == []


async def test_a_key_shows_its_own_sessions_and_one_of_the_settings_all(tmp_path: Path) -> None:
    with keys(tmp_path / "state.db", "ada", "bob") as stored:
        async with serving_files(settings=settings_with(tmp_path, has_keys=True)) as served:
            past, _ = await stopped_session(served, stored["ada"])
            async with session(served, stored["ada"]) as (_, present):
                for key, ids in ((MASTER, [past, present]), (stored["ada"], [past, present]), (stored["bob"], [])):
                    assert await open_ids(served, bearer(key)) == ids[1:]
                    assert await open_ids(served, bearer(key), with_past=True) == ids
                    for session_id in (past, present):
                        async with watch(served, session_id, headers=bearer(key)) as viewer:
                            assert viewer.response.status_code == (200 if ids else 404)
                async with watch(served, present) as viewer:
                    assert viewer.response.status_code == 401


async def test_a_session_that_is_over_is_deleted_and_one_that_is_open_is_not(tmp_path: Path) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        past, _ = await stopped_session(served)
        async with session(served) as (websocket, present):
            await speak(websocket)
            refused = await client.delete(f"/v1/sessions/{present}")
            deleted = await client.delete(f"/v1/sessions/{past}")
            again = await client.delete(f"/v1/sessions/{past}")
            assert await open_ids(served, with_past=True) == [present]
        events = await client.get(f"/v1/sessions/{past}/events")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "session_open")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert again.status_code == events.status_code == 404


@pytest.mark.parametrize(("age_s", "status"), [(1.0, 409), (1_000.0, 204)])
async def test_a_session_left_open_by_a_crash_is_kept_while_its_client_may_resume(
    tmp_path: Path, age_s: float, status: int
) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        await left_open(served.gateway, tmp_path, age_s)
        assert (await client.delete("/v1/sessions/left")).status_code == status
        assert await open_ids(served, with_past=True) == (["left"] if status == 409 else [])


async def left_open(gateway: Gateway, folder: Path, age_s: float) -> None:
    """Write down a session as a gateway that was killed so long ago has left it."""
    store = JournalFile(folder / "journal.db")
    assert gateway.sessions.journal is not None
    await gateway.sessions.journal.maintenance.sweep()
    opening = Opening("left", "native", None, time.time() - age_s, {})
    store.write(Batch(openings=[opening]))
    store.close()


async def test_the_session_of_another_key_is_not_deleted(tmp_path: Path) -> None:
    with keys(tmp_path / "state.db", "ada", "bob") as stored:
        async with (
            serving_files(settings=settings_with(tmp_path, has_keys=True)) as served,
            httpx2.AsyncClient(base_url=served.url) as client,
        ):
            past, _ = await stopped_session(served, stored["ada"])
            for headers, status in ((bearer(stored["bob"]), 404), ({}, 401), (bearer(stored["ada"]), 204)):
                assert (await client.delete(f"/v1/sessions/{past}", headers=headers)).status_code == status


@pytest.mark.parametrize("name", ["x" * 5_000, "%00", "%ff%fe", "..%2f..", "a'%20OR%201=1--", "%F0%9F%8E%A4"])
async def test_a_garbage_id_is_not_found_wherever_it_is_used(name: str) -> None:
    async with serving_files() as served, httpx2.AsyncClient(base_url=served.url) as client:
        for method, suffix in (
            ("DELETE", ""),
            ("GET", "/events"),
            ("GET", "/transcript.txt"),
            ("POST", "/view_tokens"),
        ):
            refused = await client.request(method, f"/v1/sessions/{name}{suffix}")
            assert refused.status_code in (404, 405), (method, suffix)
            assert len(refused.text) < 1_000


async def test_an_unreadable_journal_is_reported_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"no database" * 1_000)
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        for method, path in (
            ("GET", "?all=true"),
            ("GET", "/a/events"),
            ("GET", "/a/transcript.srt"),
            ("DELETE", "/a"),
        ):
            refused = await client.request(method, f"/v1/sessions{path}")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
            assert refused.headers["retry-after"] == "5"
            assert str(tmp_path) not in refused.text
        assert (await client.get("/v1/sessions")).json()["data"] == []
