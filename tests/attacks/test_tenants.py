"""One key or address that takes what is there for all, and keys that are revoked, used up or guessed."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway.access.admission import Admission, Shares
from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore
from gateway.access.authenticator import Authenticator, Caller
from gateway.access.client_secrets import MAX_SECRETS, ClientSecrets
from gateway.access.login_throttle import MAX_PER_MINUTE, FailedLogins, network_of
from gateway.delivery.broadcast import SessionInfo
from gateway.errors import Overloaded, RateLimited, Unauthorized
from gateway.journal.journal import open_journal
from gateway.settings import JournalSettings, Settings
from gateway.sqlite import StateDatabase
from gateway.wire.openai_realtime.session_config import Defaults, SessionConfig
from tests.servers import Served
from tests.sessions import SETTINGS, call, open_context, settled
from tests.uploading import serving_files
from tests.viewing import (
    MASTER,
    SPEECH,
    bearer,
    keys,
    received_on,
    session,
    settings_with,
    stopped_session,
    watch,
    watch_socket,
)

HALF = Shares(lambda caller: caller.name, 0.5)

EVERYWHERE = "0.0.0.0"  # noqa: S104  # never bound: the test's own listener is on loopback


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def authenticator(path: Path, *static_keys: str) -> Authenticator:
    return Authenticator(static_keys, StateDatabase(path / "state.db", (KEYS_SCHEMA,)), Clock())


@asynccontextmanager
async def gateway(folder: Path, **groups: dict[str, object]) -> AsyncIterator[tuple[Served, httpx2.AsyncClient]]:
    settings = settings_with(folder, has_keys=True)
    for name, group in groups.items():
        settings[name] = settings.get(name, {}) | group
    async with serving_files(settings=settings) as served, httpx2.AsyncClient(base_url=served.url) as http:
        yield served, http


# --- shares ----------------------------------------------------------------------------------------------------------


def test_a_tenant_has_its_share_and_leaves_the_rest_to_others() -> None:
    admission, ada, ben = Admission(4, shares=HALF), Caller("ada"), Caller("ben")
    with admission.enter(ada), admission.enter(ada), pytest.raises(Overloaded, match="its share"):
        admission.enter(ada).__enter__()
    with admission.enter(ada), admission.enter(ada), admission.enter(ben), admission.enter(ben):
        assert admission.open == 4
    with admission.enter(ada), admission.enter(ada):
        pass  # what has been left can be taken again


def test_a_caller_without_a_tenant_may_take_all_slots() -> None:
    admission = Admission(2, shares=HALF)
    with admission.enter(Caller(None)), admission.enter(Caller(None)):
        assert admission.open == 2


async def test_keys_share_where_there_are_several_and_addresses_that_are_not_this_machines(tmp_path: Path) -> None:
    alone, several = authenticator(tmp_path, "one"), authenticator(tmp_path, "one", "two")
    assert alone.tenant_of(Caller("static-1")) is None
    assert several.tenant_of(Caller("static-1", "192.0.2.1")) == "key static-1"
    assert several.tenant_of(Caller(None, "192.0.2.1")) == "address 192.0.2.1"
    assert several.tenant_of(Caller(None, "127.0.0.1")) is None
    assert several.tenant_of(Caller(None)) is None


def test_a_household_with_many_addresses_is_one() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2::9") != network_of("2001:db8:1:3::9")
    assert network_of("192.0.2.1") != network_of("192.0.2.2")


async def test_one_key_cannot_take_all_sessions(tmp_path: Path) -> None:
    with keys(tmp_path / "state.db", "ada", "ben") as made:
        async with gateway(tmp_path, server={"max_sessions": 4}) as (served, _), AsyncExitStack() as stack:
            for name, count in (("ada", 2), ("ben", 2)):
                for _ in range(count):
                    connection = connect(served.stream_url, additional_headers=bearer(made[name]))
                    await stack.enter_async_context(connection)
                if name == "ada":
                    with pytest.raises(InvalidStatus) as refused:
                        await connect(served.stream_url, additional_headers=bearer(made["ada"]))
                    assert b"its share" in (refused.value.response.body or b"")


def test_one_key_cannot_make_all_client_secrets() -> None:
    secrets, config = ClientSecrets(lambda: 0.0, HALF), SessionConfig.of(Defaults())
    for _ in range(MAX_SECRETS // 2):
        secrets.create(Caller("ada"), config, 10)
    with pytest.raises(Overloaded, match="its share"):
        secrets.create(Caller("ada"), config, 10)
    secrets.create(Caller("ben"), config, 10)


async def test_of_detached_sessions_one_of_the_largest_tenant_is_evicted(tmp_path: Path) -> None:
    settings = Settings(journal=JournalSettings(database=tmp_path / "journal.db"))
    waiting = replace(SETTINGS, max_waiting=3)
    async with open_journal(settings) as journal, open_context(session=waiting, journal=journal) as context:
        for owner in ("ben", "ada", "ada", "ada"):
            async with call(context, subject=SessionInfo("native", owner, 0.0)) as peer:
                await peer.send({"type": "start", "resumable": True})
                await peer.receive()
                await peer.hang_up()
        while len(context.live) > 3:
            await settled()
        assert [each.info.owner for each in context.live] == ["ben", "ada", "ada"]


async def test_a_silent_client_does_not_hold_a_slot_for_long() -> None:
    async with serving_files(settings={"session": {"unused_timeout_s": 0.05}}) as served:
        url = served.url.replace("http", "ws", 1) + "/v1/realtime"
        websocket = await connect(url)
        await websocket.wait_closed()
        assert served.gateway.admission.open == 0


# --- keys and what they have given away ------------------------------------------------------------------------------


async def test_a_client_secret_counts_against_the_rate_of_its_key(tmp_path: Path) -> None:
    with closing(StateDatabase(tmp_path / "state.db", (KEYS_SCHEMA,))) as database:
        key = KeyStore(database).create("ada", 0.0, 3)
    async with gateway(tmp_path) as (served, http):
        made = (await http.post("/v1/realtime/client_secrets", headers=bearer(key))).json()["value"]
        url = served.url.replace("http", "ws", 1) + "/v1/realtime"
        for _ in range(2):
            async with connect(url, additional_headers=bearer(made)) as websocket:
                await websocket.recv()
        async with connect(url, additional_headers=bearer(made)) as websocket:
            await websocket.wait_closed()
        assert websocket.close_reason == "rate_limited"


async def test_view_tokens_are_revoked_with_the_key_that_made_them(tmp_path: Path) -> None:
    with keys(tmp_path / "state.db", "ada") as made:
        async with gateway(tmp_path) as (served, http):
            session_id, _ = await stopped_session(served, made["ada"])
            path = f"/v1/sessions/{session_id}"
            tokens = [
                (await http.post(f"{path}/view_tokens", headers=bearer(key))).json()["token"]
                for key in (made["ada"], MASTER)
            ]
            transcript = f"{path}/transcript.txt?token="
            assert [(await http.get(transcript + token)).status_code for token in tokens] == [200, 200]
            with closing(StateDatabase(tmp_path / "state.db", (KEYS_SCHEMA,))) as database:
                KeyStore(database).revoke("ada")
            await served.gateway.authenticator.sync()
            assert [(await http.get(transcript + token)).status_code for token in tokens] == [401, 200]


async def test_view_tokens_of_a_session_are_revoked_by_a_route(tmp_path: Path) -> None:
    with keys(tmp_path / "state.db", "ada", "ben") as made:
        async with gateway(tmp_path) as (served, http):
            session_id, _ = await stopped_session(served, made["ada"])
            path = f"/v1/sessions/{session_id}"
            token = (await http.post(f"{path}/view_tokens", headers=bearer(made["ada"]))).json()["token"]
            transcript = f"{path}/transcript.txt?token={token}"
            assert (await http.delete(f"{path}/view_tokens", headers=bearer(made["ben"]))).status_code == 404
            assert (await http.delete(f"{path}/view_tokens", headers=bearer(token))).status_code == 401
            assert (await http.get(transcript)).status_code == 200
            assert (await http.delete(f"{path}/view_tokens", headers=bearer(made["ada"]))).status_code == 204
            assert (await http.get(transcript)).status_code == 401


@pytest.mark.parametrize("is_token", [True, False])
async def test_viewers_are_disconnected_when_their_credentials_are_revoked(
    tmp_path: Path, is_token: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.sessions.viewer_access._CHECK_INTERVAL_S", 0.02)
    with keys(tmp_path / "state.db", "ada") as made:
        async with gateway(tmp_path) as (served, http), session(served, made["ada"]) as (_, session_id):
            path = f"/v1/sessions/{session_id}/view_tokens"
            token = (await http.post(path, headers=bearer(made["ada"]))).json()["token"]
            shows = token if is_token else made["ada"]
            async with (
                watch_socket(served, session_id, bearer(shows)) as websocket,
                watch(served, session_id, headers=bearer(shows)) as stream,
            ):
                if is_token:
                    await http.delete(path, headers=bearer(made["ada"]))
                else:
                    with closing(StateDatabase(tmp_path / "state.db", (KEYS_SCHEMA,))) as database:
                        KeyStore(database).revoke("ada")
                    await served.gateway.authenticator.sync()
                assert (await received_on(websocket))[1] == 1008
                assert stream.response.status_code == 200
                assert [event["type"] for event in await stream.all()] == ["ready"]


async def test_a_key_without_credit_may_only_read_and_delete_its_own_sessions(tmp_path: Path) -> None:
    with closing(StateDatabase(tmp_path / "state.db", (KEYS_SCHEMA,))) as database:
        key = KeyStore(database).create("ada", 0.0, None, 1.0)
    async with gateway(tmp_path) as (served, http):
        async with session(served, key) as (websocket, session_id):
            await websocket.send(b"".join(SPEECH))
            await received_on(websocket)
        headers, path = bearer(key), f"/v1/sessions/{session_id}"
        assert served.gateway.authenticator.left_s(Caller("ada")) == 0
        assert (await http.post("/v1/realtime/client_secrets", headers=headers)).status_code == 402
        assert (await http.get(f"{path}/transcript.txt", headers=headers)).status_code == 200
        assert [each["id"] for each in (await http.get("/v1/sessions?all=true", headers=headers)).json()["data"]]
        assert (await http.delete(path, headers=headers)).status_code == 204


@pytest.mark.parametrize(("host", "statuses"), [(EVERYWHERE, [401, 403, 200]), ("127.0.0.1", [200, 200, 200])])
async def test_metrics_need_a_key_of_the_settings_beyond_this_machine(
    tmp_path: Path, host: str, statuses: list[int]
) -> None:
    with keys(tmp_path / "state.db", "ada") as made:
        async with gateway(tmp_path, server={"host": host}) as (_, http):
            got = [(await http.get("/metrics")).status_code]
            got += [(await http.get("/metrics", headers=bearer(key))).status_code for key in (made["ada"], MASTER)]
    assert got == statuses


# --- keys that are guessed -------------------------------------------------------------------------------------------


async def test_guessing_keys_is_throttled_and_valid_keys_are_not(tmp_path: Path) -> None:
    door = authenticator(tmp_path, "right")
    for number in range(MAX_PER_MINUTE):
        with pytest.raises(Unauthorized):
            await door.admit(f"Bearer guess-{number}", "192.0.2.1")
    with pytest.raises(RateLimited, match=r"192.0.2.1"):
        await door.admit("Bearer another", "192.0.2.1")
    assert await door.admit("Bearer right", "192.0.2.1") == Caller("static-1")
    with pytest.raises(Unauthorized):
        await door.admit("Bearer another", "192.0.2.2")
    assert door.refusals["unauthorized"] == MAX_PER_MINUTE + 2


def test_failures_are_logged_once_a_minute_and_address_with_their_number(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    failures = FailedLogins(clock)
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"):
        failures.add(address)
        failures.report()
    assert caplog.messages == []
    clock.now_s += 60
    with caplog.at_level(logging.WARNING):
        failures.report()
        failures.report()
    assert caplog.messages == [
        "authentication failed address=192.0.2.1 times=3",
        "authentication failed address=192.0.2.2 times=1",
    ]
    assert "guess" not in json.dumps(caplog.messages)


def test_addresses_without_end_are_counted_together() -> None:
    failures = FailedLogins(Clock())
    for number in range(20_000):
        try:
            failures.add(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        except RateLimited:
            break
    else:
        pytest.fail("they were kept one by one")
