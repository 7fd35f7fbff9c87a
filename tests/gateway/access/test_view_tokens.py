"""View tokens: each gives its holder read access to one session until it expires, and nothing else."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from gateway.access.view_tokens import PREFIX, ViewTokens
from gateway.errors import Unauthorized
from gateway.journal.journal import Journal
from gateway.journal.journal_file import JournalFile
from gateway.journal.sqlite_store import SqliteStore
from gateway.settings import JournalSettings
from tests.servers import Served
from tests.uploading import serving_files
from tests.viewing import (
    MASTER,
    bearer,
    keys,
    open_ids,
    received_on,
    session,
    settings_with,
    stopped_session,
    watch,
    watch_socket,
)


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def tokens(path: Path, clock: Clock) -> AsyncIterator[ViewTokens]:
    journal = Journal(SqliteStore(JournalFile(path)), JournalSettings(), 60.0, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(journal.run)
        yield ViewTokens(journal.store, lambda name: False, clock)
        tasks.cancel_scope.cancel()


async def test_a_token_shows_its_session_until_it_expires(tmp_path: Path) -> None:
    clock = Clock()
    async with tokens(tmp_path / "journal.db", clock) as made:
        token, expires_at = await made.create("a", 60, None)
        assert expires_at == 1_060
        clock.now_s = 1_059.9
        redeemed = await made.redeem(token)
        assert redeemed.covers("a", None)
        assert not redeemed.covers("b", "a")
        clock.now_s = 1_060.0
        with pytest.raises(Unauthorized, match="expired"):
            await made.redeem(token)


def all_bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_a_token_survives_a_restart_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    path, clock = tmp_path / "journal.db", Clock()
    async with tokens(path, clock) as made:
        token, _ = await made.create("a", 60, None)
    assert token.encode() not in all_bytes(tmp_path)
    async with tokens(path, clock) as made:
        await made.redeem(token)


@pytest.mark.parametrize(
    "garbage", ["", PREFIX, PREFIX + "x" * 42, PREFIX + "x" * 43, PREFIX + "ü" * 43, "\0", "x" * 9_999]
)
async def test_garbage_is_no_token(tmp_path: Path, garbage: str) -> None:
    async with tokens(tmp_path / "journal.db", Clock()) as made:
        await made.create("a", 60, None)
        with pytest.raises(Unauthorized, match="unknown, expired or revoked"):
            await made.redeem(garbage)


# --- over HTTP ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[tuple[Served, httpx2.AsyncClient]]:
    """Serve with a key, and yield a client of it too."""
    async with (
        serving_files(settings=settings_with(folder, has_keys=True)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        yield served, client


async def token_for(client: httpx2.AsyncClient, session_id: str, key: str = MASTER) -> str:
    """Return a new view token."""
    made = await client.post(f"/v1/sessions/{session_id}/view_tokens", headers=bearer(key))
    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    body = made.json()
    assert body["url"] == f"/watch/{session_id}?token={body['token']}"
    return str(body["token"])


async def test_a_token_is_made_for_as_long_as_is_wanted(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (served, client), session(served, MASTER) as (_, session_id):
        expires: list[int] = []
        for wanted in ({}, {"expires_after_s": 60}, {"expires_after_s": 2_592_000}):
            path = f"/v1/sessions/{session_id}/view_tokens"
            expires.append((await client.post(path, headers=bearer(MASTER), json=wanted)).json()["expires_at"])
    assert expires[0] - expires[1] == pytest.approx(86_400 - 60, abs=10)
    assert expires[2] - expires[1] == pytest.approx(2_592_000 - 60, abs=10)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"expires_after_s": 59}', 400),
        (b'{"expires_after_s": 2592001}', 400),
        (b'{"expires_after_s": 60.5}', 400),
        (b'{"expires_after_s": "60"}', 400),
        (b'{"expires_after_s": null}', 400),
        (b'{"expires": 60}', 400),
        (b"[]", 400),
        (b"{", 400),
        (b'{"\xff": 1}', 400),
        (b" " * 2_000, 413),
    ],
)
async def test_another_body_is_refused_with_what_is_allowed(tmp_path: Path, body: bytes, status: int) -> None:
    async with gateway(tmp_path) as (served, client), session(served, MASTER) as (_, session_id):
        path = f"/v1/sessions/{session_id}/view_tokens"
        refused = await client.post(path, headers=bearer(MASTER), content=body)
    assert refused.status_code == status
    if status == 400:
        assert refused.json()["error"]["param"] == "expires_after_s"
        assert "from 60 to 2592000" in refused.json()["error"]["message"]


async def test_a_token_opens_events_and_transcripts_of_one_session_live_and_past(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (served, client):
        past, _ = await stopped_session(served, MASTER)
        async with session(served, MASTER) as (_, present):
            for session_id in (past, present):
                token = await token_for(client, session_id)
                for params, headers in (({"token": token}, {}), ({}, bearer(token))):
                    async with watch(served, session_id, headers=headers, token=params.get("token")) as viewer:
                        assert (await viewer.next() or {})["type"] == "ready"
                    async with watch_socket(served, session_id, headers, **params) as websocket:
                        assert json.loads(await websocket.recv())["type"] == "ready"
                    read = await client.get(f"/v1/sessions/{session_id}/transcript.txt", params=params, headers=headers)
                    assert read.status_code == 200


async def test_a_token_does_nothing_else(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (served, client):
        past, _ = await stopped_session(served, MASTER)
        other, _ = await stopped_session(served, MASTER)
        token = await token_for(client, past)
        for method, path in (
            ("GET", ""),
            ("GET", "?all=true"),
            ("DELETE", f"/{past}"),
            ("POST", f"/{past}/view_tokens"),
            ("GET", f"/{other}/events"),
            ("GET", f"/{other}/transcript.srt"),
            ("GET", "/nothing/events"),
        ):
            for params, headers in (({"token": token}, {}), ({}, bearer(token))):
                refused = await client.request(method, f"/v1/sessions{path}", params=params or None, headers=headers)
                assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized"), (method, path)
        assert await open_ids(served, bearer(MASTER), with_past=True) == [past, other]


async def test_a_key_is_worth_more_than_a_token_that_has_expired(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (served, client):
        past, _ = await stopped_session(served, MASTER)
        async with watch(served, past, headers=bearer(MASTER), token="vt_expired") as viewer:
            assert viewer.response.status_code == 200
        basic = {"Authorization": "Basic cHJveHk6cHJveHk="}  # of a proxy before the gateway
        async with watch(served, past, headers=basic, token=await token_for(client, past)) as viewer:
            assert viewer.response.status_code == 200


async def test_a_token_outlives_the_gateway_and_dies_with_its_session(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (served, client):
        past, _ = await stopped_session(served, MASTER)
        token = await token_for(client, past)
    async with gateway(tmp_path) as (served, client):
        async with watch_socket(served, past, token=token) as websocket:
            assert (await received_on(websocket))[1] == 1000
        assert (await client.delete(f"/v1/sessions/{past}", headers=bearer(MASTER))).status_code == 204
        assert (await client.get(f"/v1/sessions/{past}/events", params={"token": token})).status_code == 401


async def test_only_a_key_that_shows_the_session_makes_tokens(tmp_path: Path) -> None:
    with keys(tmp_path / "state.db", "ada", "bob") as stored:
        async with gateway(tmp_path) as (served, client):
            past, _ = await stopped_session(served, stored["ada"])
            refused = await client.post(f"/v1/sessions/{past}/view_tokens", headers=bearer(stored["bob"]))
            assert refused.status_code == 404
            token = await token_for(client, past, stored["ada"])
            async with watch(served, past, token=token) as viewer:
                assert viewer.response.status_code == 200


async def test_without_keys_everybody_watches_whatever_the_token_is(tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path)) as served:
        past, _ = await stopped_session(served)
        async with watch(served, past, token="vt_whatever") as viewer:
            assert viewer.response.status_code == 200


async def test_tokens_are_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with gateway(tmp_path) as (served, client):
        past, _ = await stopped_session(served, MASTER)
        token = await token_for(client, past)
        async with watch(served, past, token=token) as viewer:
            await viewer.all()
        assert (await client.get("/v1/sessions/nothing/events", params={"token": token})).status_code == 401
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("livecue")]
    assert ours
    assert not [message for message in ours if token in message]


async def test_with_an_unreadable_journal_tokens_are_not_checked_and_all_viewers_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"no database" * 1_000)
    async with gateway(tmp_path) as (served, client), session(served, MASTER) as (_, session_id):
        path = f"/v1/sessions/{session_id}"
        made = await client.post(f"{path}/view_tokens", headers=bearer(MASTER))
        read = await client.get(f"{path}/events", params={"token": PREFIX + "x" * 43})
    assert made.status_code == read.status_code == 503
