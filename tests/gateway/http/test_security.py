"""Which scope each route and dialect needs, and what happens to a session whose credentials end while it lasts."""

import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Annotated

import anyio
import anyio.lowlevel
import httpx2
import pytest
from fastapi import Depends, FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore
from gateway.access.caller import Caller
from gateway.access.scopes import ALL_SCOPES, Scope, allows
from gateway.access.terms import Terms, parse_networks
from gateway.http.errors import shape_errors
from gateway.http.security import require_scope
from gateway.sqlite import StateDatabase
from tests.servers import Served
from tests.tokens import AUDIENCE, ISSUER, Issuer, serving_jwks
from tests.uploading import SPOKEN, serving_files
from tests.viewing import MASTER, bearer, session, settings_with, stopped_session

MODEL = {"model": "whisper-1"}

LISTEN = "/v1/listen?encoding=linear16&sample_rate=16000"

SOCKETS: Mapping[str, Scope] = {
    "/v1/stream": Scope.INGEST,
    "/v1/realtime": Scope.INGEST,
    LISTEN: Scope.INGEST,
    "/v2/listen?model=flux&encoding=linear16&sample_rate=16000": Scope.INGEST,
    "/v1/twilio": Scope.INGEST,
    "/v1/vosk": Scope.INGEST,
    "/v1/sessions/{id}/events": Scope.READ,
}

ROUTES: Mapping[tuple[str, str], Scope | None] = {
    ("POST", "/v1/audio/transcriptions"): Scope.INGEST,
    ("POST", "/v1/audio/translations"): Scope.INGEST,
    ("POST", "/v1/listen"): Scope.INGEST,
    ("POST", "/v1/realtime/client_secrets"): Scope.INGEST,
    ("GET", "/v1/sessions"): Scope.READ,
    ("GET", "/v1/sessions/{id}/events"): Scope.READ,
    ("GET", "/v1/sessions/{id}/transcript.txt"): Scope.READ,
    ("POST", "/v1/sessions/{id}/view_tokens"): Scope.READ,
    ("PUT", "/v1/sessions/{id}/utterances/0"): Scope.INGEST,
    ("PATCH", "/v1/sessions/{id}"): Scope.INGEST,
    ("GET", "/v1/sessions/{id}/hls/captions.m3u8"): Scope.READ,
    ("PUT", "/v1/events/weekly"): Scope.INGEST,
    ("GET", "/v1/events"): Scope.READ,
    ("GET", "/v1/events/weekly"): Scope.READ,
    ("DELETE", "/v1/events/weekly/view_tokens"): Scope.INGEST,
    ("DELETE", "/v1/events/weekly"): Scope.DELETE,
    ("DELETE", "/v1/sessions/{id}/view_tokens"): Scope.READ,
    ("DELETE", "/v1/sessions/{id}"): Scope.DELETE,
    ("GET", "/metrics"): Scope.ADMIN,
    ("GET", "/v1/models"): None,
    ("GET", "/v1/models/whisper-1"): None,
    ("POST", "/admin/drain"): Scope.ADMIN,  # the last: it refuses what follows
}

EVERYWHERE = "0.0.0.0"  # noqa: S104  # never bound: the test's own listener is on loopback


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    with closing(StateDatabase(tmp_path / "state.db", (KEYS_SCHEMA,))) as database:
        yield KeyStore(database)


def key(store: KeyStore, name: str, *scopes: Scope, **terms: object) -> str:
    return store.create(name, 0.0, terms=Terms(frozenset(scopes), **terms))  # type: ignore[arg-type]  # by name


@asynccontextmanager
async def gateway(folder: Path, **groups: dict[str, object]) -> AsyncIterator[tuple[Served, httpx2.AsyncClient]]:
    settings = settings_with(folder, has_keys=True)
    settings["state"] |= {"write_interval_s": 0.01}
    for name, group in groups.items():
        settings[name] = settings.get(name, {}) | group
    async with serving_files(settings=settings) as served, httpx2.AsyncClient(base_url=served.url) as http:
        yield served, http


async def refusal(served: Served, path: str, secret: str, **headers: str) -> tuple[int, dict[str, object]]:
    """Return status and body with which a WebSocket is refused; (101, {}): it is not."""
    url = served.url.replace("http", "ws", 1) + path
    try:
        async with connect(url, additional_headers=bearer(secret) | headers):
            return 101, {}
    except InvalidStatus as error:
        return error.response.status_code, json.loads(error.response.body or b"{}")


def code_of(body: dict[str, object]) -> object:
    error = body.get("error")
    return error["code"] if isinstance(error, dict) else body.get("err_code")


# --- scopes ---------------------------------------------------------------------------------------------------------


async def test_every_websocket_needs_its_scope_and_the_refusal_is_403_in_the_shape_of_the_dialect(
    tmp_path: Path, store: KeyStore
) -> None:
    without = {scope: key(store, f"without-{scope}", *(set(Scope) - {scope, Scope.ADMIN})) for scope in Scope}
    only = {scope: key(store, f"only-{scope}", scope, Scope.ADMIN) for scope in Scope}
    async with gateway(tmp_path) as (served, _):
        session_id, _ = await stopped_session(served, MASTER)
        for path, scope in SOCKETS.items():
            place = path.format(id=session_id)
            status, body = await refusal(served, place, without[scope])
            assert (status, path) == (403, path)
            deepgram = "listen" in path
            assert code_of(body) == ("INSUFFICIENT_PERMISSIONS" if deepgram else "insufficient_scope")
            assert (await refusal(served, place, only[scope]))[0] == 101, path


async def test_every_route_needs_its_scope(tmp_path: Path, store: KeyStore) -> None:
    without = {scope: key(store, f"without-{scope}", *(set(Scope) - {scope, Scope.ADMIN})) for scope in Scope}
    only = {scope: key(store, f"only-{scope}", scope, Scope.ADMIN) for scope in Scope}
    async with gateway(tmp_path, server={"host": EVERYWHERE}) as (served, http):
        session_id, _ = await stopped_session(served, MASTER)
        for (method, path), scope in ROUTES.items():
            place = path.format(id=session_id)
            files = {"file": ("a.wav", SPOKEN)} if "audio" in path else None
            content = SPOKEN if path == "/v1/listen" else None
            if scope is not None:
                refused = await http.request(
                    method, place, headers=bearer(without[scope]), files=files, content=content
                )
                assert (refused.status_code, path) == (403, path)
                shape = "INSUFFICIENT_PERMISSIONS" if path == "/v1/listen" else "insufficient_scope"
                assert code_of(refused.json()) == shape
            if method != "DELETE" or scope is not Scope.DELETE:
                secret = only[scope or Scope.DELETE]
                admitted = await http.request(method, place, headers=bearer(secret), files=files, content=content)
                assert admitted.status_code not in (401, 403), path
        deleted = await http.delete(f"/v1/sessions/{session_id}", headers=bearer(only[Scope.ADMIN]))
        assert deleted.status_code == 204, "admin contains delete, of the sessions of all"


async def test_no_route_is_left_out_of_these_tests(tmp_path: Path) -> None:
    """A new route must be given a scope here, or be named as one that needs none."""
    public = {("GET", "/healthz"), ("GET", "/readyz")}
    async with gateway(tmp_path) as (_, http):
        paths = (await http.get("/openapi.json")).json()["paths"]
    there = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    tested = {
        (method, path.replace("{id}", "{session_id}").replace("transcript.txt", "transcript.{transcript_format}"))
        for method, path in ROUTES
    }
    names = {
        "whisper-1": "{model_id}",
        "utterances/0": "utterances/{utterance_id}",
        "hls/captions.m3u8": "hls/{name}",
        "weekly": "{event}",
    }
    renamed = {path for _, path in tested} | {path.replace(*name) for _, path in tested for name in names.items()}
    assert {path for method, path in there - public} <= renamed


async def test_a_key_made_before_there_were_scopes_may_do_what_it_could(tmp_path: Path, store: KeyStore) -> None:
    secret = store.create("old", 0.0)
    async with gateway(tmp_path, server={"host": EVERYWHERE}) as (served, http):
        session_id, _ = await stopped_session(served, secret)
        headers = bearer(secret)
        assert (await http.get(f"/v1/sessions/{session_id}/transcript.txt", headers=headers)).status_code == 200
        assert (await http.delete(f"/v1/sessions/{session_id}", headers=headers)).status_code == 204
        assert (await http.get("/metrics", headers=headers)).status_code == 403


async def test_keys_of_one_owner_share_its_sessions_and_no_others_do(tmp_path: Path, store: KeyStore) -> None:
    studio = store.create("studio", 0.0)
    player = key(store, "player", Scope.READ, owner="studio")
    stranger = key(store, "stranger", Scope.READ, Scope.DELETE)
    async with gateway(tmp_path) as (served, http):
        session_id, _ = await stopped_session(served, studio)
        path = f"/v1/sessions/{session_id}/transcript.txt"
        assert (await http.get(path, headers=bearer(player))).status_code == 200
        assert (await http.get(path, headers=bearer(stranger))).status_code == 404
        assert (await http.delete(f"/v1/sessions/{session_id}", headers=bearer(player))).status_code == 403


async def test_require_scope_is_a_dependency_that_yields_the_caller(tmp_path: Path, store: KeyStore) -> None:
    ops, reader = key(store, "ops", Scope.ADMIN), key(store, "reader", Scope.READ)
    async with gateway(tmp_path) as (served, _):
        app = FastAPI()
        shape_errors(app)

        @app.post("/admin/act")
        async def act(caller: Annotated[Caller, Depends(require_scope(served.gateway, Scope.ADMIN))]) -> str | None:
            return caller.name

        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as http:
            assert (await http.post("/admin/act", headers=bearer(ops))).json() == "ops"
            assert (await http.post("/admin/act", headers=bearer(reader))).status_code == 403
            assert (await http.post("/admin/act")).status_code == 401


async def test_realtime_reports_a_missing_scope_in_the_connection_where_that_is_set(
    tmp_path: Path, store: KeyStore
) -> None:
    secret = key(store, "reader", Scope.READ)
    async with gateway(tmp_path, realtime={"inband_auth_errors": True}) as (served, _):
        url = served.url.replace("http", "ws", 1) + "/v1/realtime"
        async with connect(url, additional_headers=bearer(secret)) as websocket:
            error = json.loads(await websocket.recv())["error"]
            with pytest.raises(ConnectionClosed) as closed:
                await websocket.recv()
    assert error["code"] == "insufficient_permissions"
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
        3003,
        "invalid_request_error.insufficient_permissions",
    )


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("networks", "forwarded", "status"),
    [
        ("127.0.0.0/8", {}, 101),
        ("::ffff:127.0.0.0/104", {}, 101),
        ("192.0.2.0/24", {}, 403),
        ("192.0.2.0/24", {"X-Forwarded-For": "192.0.2.7"}, 101),
        ("192.0.2.0/24", {"X-Forwarded-For": "::ffff:192.0.2.7"}, 101),
        ("127.0.0.0/8", {"X-Forwarded-For": "192.0.2.7"}, 403),
        ("192.0.2.0/24", {"X-Forwarded-For": "192.0.2.7, 198.51.100.1"}, 403),
        ("192.0.2.0/24", {"X-Real-IP": "192.0.2.7"}, 403),
        ("192.0.2.0/24", {"Forwarded": "for=192.0.2.7"}, 403),
    ],
)
async def test_a_key_is_accepted_from_its_addresses_as_the_trusted_proxy_reports_them(
    tmp_path: Path, store: KeyStore, networks: str, forwarded: dict[str, str], status: int
) -> None:
    secret = key(store, "studio", Scope.INGEST, networks=parse_networks([networks]))
    async with gateway(tmp_path) as (served, _):
        got, body = await refusal(served, "/v1/stream", secret, **forwarded)
    assert got == status
    assert code_of(body) == (None if status == 101 else "forbidden_address")


async def test_a_header_of_a_peer_that_is_no_trusted_proxy_is_ignored(
    tmp_path: Path, store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "198.51.100.1")
    secret = key(store, "studio", Scope.INGEST, networks=parse_networks(["192.0.2.0/24"]))
    async with gateway(tmp_path) as (served, _):
        assert (await refusal(served, "/v1/stream", secret, **{"X-Forwarded-For": "192.0.2.7"}))[0] == 403


# --- concurrency ----------------------------------------------------------------------------------------------------


async def test_one_session_too_many_of_a_key_is_refused_with_429_in_every_dialect_and_a_file_too(
    tmp_path: Path, store: KeyStore
) -> None:
    secret = key(store, "studio", Scope.INGEST, max_open=1)
    async with gateway(tmp_path) as (served, http):
        async with session(served, secret):
            for path in ("/v1/stream", LISTEN, "/v1/twilio"):
                status, body = await refusal(served, path, secret)
                assert status == 429
                assert code_of(body) == ("TOO_MANY_REQUESTS" if path == LISTEN else "concurrency_limited")
            upload = {"file": ("a.wav", SPOKEN)}
            refused = await http.post("/v1/audio/transcriptions", headers=bearer(secret), files=upload)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
            assert refused.json()["error"]["type"] == "rate_limit_error"
        assert (await refusal(served, "/v1/stream", secret))[0] == 101


# --- while a session lasts ------------------------------------------------------------------------------------------


async def received(websocket: ClientConnection) -> list[dict[str, object]]:
    """Return all messages up to the close, whatever its code."""
    messages: list[dict[str, object]] = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(await websocket.recv()))
    return messages


async def end_of(websocket: ClientConnection, audio: bytes = bytes(3_200)) -> tuple[list[str], int]:
    """Send audio until the gateway closes, and return the codes of errors and the close code."""

    async def send() -> None:
        try:
            while True:
                await websocket.send(audio)
                await anyio.lowlevel.checkpoint()
        except ConnectionClosed:
            pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        codes = [str(each["code"]) for each in await received(websocket) if each["type"] == "error"]
    return codes, websocket.close_code or 0


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        (None, "unauthorized"),
        (Terms(expires_s=1.0), "unauthorized"),
        (Terms(frozenset({Scope.READ})), "insufficient_scope"),
        (Terms(networks=parse_networks(["192.0.2.0/24"])), "forbidden_address"),
    ],
    ids=["revoked", "expired", "without its scope", "from elsewhere"],
)
async def test_a_live_session_ends_when_its_key_no_longer_allows_it(
    tmp_path: Path, store: KeyStore, terms: Terms | None, code: str
) -> None:
    secret = key(store, "studio", Scope.INGEST)
    async with gateway(tmp_path) as (served, _), session(served, secret) as (websocket, _):
        if terms is None:
            store.revoke("studio")
        else:
            store.change("studio", terms)
        with anyio.fail_after(20):
            assert await end_of(websocket) == ([code], 1008)
        assert (await refusal(served, "/v1/stream", secret))[0] in (401, 403)


async def test_a_viewer_is_disconnected_when_its_key_expires(
    tmp_path: Path, store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.sessions.viewer_access._CHECK_INTERVAL_S", 0.01)
    admin = key(store, "admin", Scope.READ, Scope.ADMIN)
    async with gateway(tmp_path) as (served, _), session(served, MASTER) as (_, session_id):
        url = served.url.replace("http", "ws", 1) + f"/v1/sessions/{session_id}/events"
        async with connect(url, additional_headers=bearer(admin)) as viewer:
            await viewer.recv()
            store.change("admin", Terms(ALL_SCOPES, expires_s=1.0))
            with anyio.fail_after(10):
                await received(viewer)
    assert viewer.close_code == 1008


async def test_a_rotated_key_works_with_both_secrets_without_a_restart_and_the_running_session_goes_on(
    tmp_path: Path, store: KeyStore
) -> None:
    old = key(store, "studio", Scope.INGEST)
    async with gateway(tmp_path) as (served, _), session(served, old) as (websocket, _):
        new = store.rotate("studio", time.time() + 3_600)
        assert (await refusal(served, "/v1/stream", new))[0] == 101, "at once"
        assert (await refusal(served, "/v1/stream", old))[0] == 101
        newest = store.rotate("studio", 0.0)
        assert (await refusal(served, "/v1/stream", newest))[0] == 101
        assert [(await refusal(served, "/v1/stream", each))[0] for each in (old, new)] == [401, 401]
        await websocket.send(json.dumps({"type": "stop"}))
        types = [json.loads(message)["type"] async for message in websocket]
    assert types[-1] == "finished"
    assert "error" not in types


# --- tokens ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def oidc(url: str, **more: object) -> dict[str, object]:
    return {"jwks_url": url, "issuer": ISSUER, "audience": AUDIENCE, **more}


async def test_tokens_open_sessions_of_their_subject_in_every_dialect(tmp_path: Path, issuer: Issuer) -> None:
    alice, bob = issuer.token(), issuer.token(sub="bob", scope="livecue:read")
    with serving_jwks(issuer) as url:
        async with gateway(tmp_path, oidc=oidc(url)) as (served, http):
            session_id, _ = await stopped_session(served, issuer.token(scope="livecue:ingest"))
            for path, scope in SOCKETS.items():
                place = path.format(id=session_id)
                assert (await refusal(served, place, alice))[0] == 101, path
                if not allows(frozenset({Scope.READ}), scope):
                    assert (await refusal(served, place, bob))[0] == 403, path
            listed = await http.get("/v1/sessions?all=true", headers=bearer(issuer.token(scope="livecue:read")))
            assert session_id in {each["id"] for each in listed.json()["data"]}
            assert (await http.get("/v1/sessions?all=true", headers=bearer(bob))).json()["data"] == []
            assert (await http.get("/v1/sessions", headers=bearer(MASTER))).status_code == 200, "keys are still valid"
            metrics = (await http.get("/metrics")).text
    assert 'livecue_key_audio_seconds_total{key="oidc"}' in metrics
    assert "alice" not in metrics


async def test_with_tokens_alone_the_gateway_is_not_open(tmp_path: Path, issuer: Issuer) -> None:
    settings = settings_with(tmp_path) | {"server": {"host": EVERYWHERE}}
    with serving_jwks(issuer) as url:
        async with serving_files(settings=settings | {"oidc": oidc(url)}) as served:
            assert (await refusal(served, "/v1/stream", "guess"))[0] == 401
            assert (await refusal(served, "/v1/stream", "e30.e30.e30"))[0] == 401
            assert (await refusal(served, "/v1/stream", issuer.token()))[0] == 101
            assert not served.gateway.authenticator.admits_nobody


async def test_a_provider_that_is_down_gives_503_to_tokens_and_keys_go_on(tmp_path: Path, issuer: Issuer) -> None:
    issuer.is_down = True
    with serving_jwks(issuer) as url:
        async with gateway(tmp_path, oidc=oidc(url)) as (served, http):
            status, body = await refusal(served, "/v1/stream", issuer.token())
            assert (status, code_of(body)) == (503, "unavailable")
            assert (await refusal(served, "/v1/stream", MASTER))[0] == 101
            assert "livecue_jwks_failures_total 1.0" in (await http.get("/metrics")).text


@pytest.mark.parametrize("ends", [False, True])
async def test_a_session_ends_with_its_token_only_where_that_is_set(tmp_path: Path, issuer: Issuer, ends: bool) -> None:
    token = issuer.token(exp=int(time.time()) + 2)
    with serving_jwks(issuer) as url:
        settings = oidc(url, end_sessions=ends, leeway_s=0.0)
        async with gateway(tmp_path, oidc=settings) as (served, _), session(served, token) as (websocket, _):
            verifier = served.gateway.authenticator.credentials._tokens
            assert verifier is not None
            verifier._wall_clock = lambda: time.time() + 60
            await websocket.send(bytes(3_200))
            await websocket.send(json.dumps({"type": "stop"}))
            messages = await received(websocket)
    assert [each["code"] for each in messages if each["type"] == "error"] == (["unauthorized"] if ends else [])


async def test_each_subject_may_have_so_many_sessions(tmp_path: Path, issuer: Issuer) -> None:
    with serving_jwks(issuer) as url:
        async with gateway(tmp_path, oidc=oidc(url, max_open=1)) as (served, _), session(served, issuer.token()):
            assert (await refusal(served, "/v1/stream", issuer.token()))[0] == 429
            assert (await refusal(served, "/v1/stream", issuer.token(sub="bob")))[0] == 101


# --- the audit log --------------------------------------------------------------------------------------------------


async def test_who_opened_read_watched_and_deleted_what_is_recorded_and_no_word_and_no_key(
    tmp_path: Path, store: KeyStore
) -> None:
    secret, reader = key(store, "studio", *(set(Scope) - {Scope.ADMIN})), key(store, "reader", Scope.READ)
    path = tmp_path / "audit.jsonl"
    async with gateway(tmp_path, audit={"path": path}) as (served, http):
        session_id, messages = await stopped_session(served, secret)
        here, headers = f"/v1/sessions/{session_id}", bearer(secret)
        token = (await http.post(f"{here}/view_tokens", headers=headers)).json()["token"]
        await http.get(f"{here}/transcript.txt?token={token}")
        await http.get(f"{here}/events", headers=headers)
        await http.get(f"{here}/transcript.srt", headers=bearer(reader))
        await http.delete(here, headers=bearer(reader))
        for _ in range(2):
            await http.put(f"{here}/utterances/0", headers=headers, json={"text": "another secret"})
        await http.delete(f"{here}/view_tokens", headers=headers)
        await http.delete(here, headers=headers)
        upload = {"file": ("secret name.wav", SPOKEN)}
        transcribed = await http.post("/v1/audio/transcriptions", headers=headers, files=upload, data=MODEL)
        assert transcribed.status_code == 200, transcribed.text
        await http.post("/v1/realtime/client_secrets", headers=headers)
        await http.get("/v1/sessions", headers=bearer("lc_guess"))
    text = path.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(each["event"], each["actor"], each.get("session")) for each in lines] == [
        ("session.opened", "key:studio", session_id),
        ("view_token.created", "key:studio", session_id),
        ("transcript.read", "view_token", session_id),
        ("session.watched", "key:studio", session_id),
        ("access.denied", "key:reader", None),
        ("utterance.corrected", "key:studio", session_id),
        ("view_tokens.revoked", "key:studio", session_id),
        ("session.deleted", "key:studio", session_id),
        ("file.transcribed", "key:studio", None),
        ("client_secret.created", "key:studio", None),
        ("authentication.failed", "anonymous", None),
    ]
    assert {each["address"] for each in lines} == {"127.0.0.1"}
    finals = [message["text"] for message in messages if message["type"] == "final"]
    for private in (secret, reader, token, "lc_guess", "secret name", "another secret", *finals):
        assert str(private) not in text


async def test_a_required_log_that_fails_refuses_new_requests_and_not_live_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.access.audit_log._LAST_WRITE_S", 0.01)
    folder = tmp_path / "log"
    folder.mkdir()
    audit = {"path": folder / "audit.jsonl", "required": True}
    async with gateway(tmp_path, audit=audit) as (served, http), session(served, MASTER) as (websocket, _):
        with anyio.fail_after(5):
            await served.gateway.audit.flushed()
        (folder / "audit.jsonl").unlink()
        folder.rmdir()
        await refusal(served, "/v1/twilio", MASTER)
        served.gateway.audit.record("test.event", Caller(None))
        with anyio.fail_after(5):
            while not served.gateway.audit.failures:
                await anyio.lowlevel.checkpoint()
        status, body = await refusal(served, "/v1/stream", MASTER)
        assert (status, code_of(body)) == (503, "unavailable")
        assert (await http.get("/v1/sessions", headers=bearer(MASTER))).status_code == 503
        assert "livecue_audit_failures_total" in (await http.get("/metrics")).text
        await websocket.send(json.dumps({"type": "stop"}))
        types = [each["type"] for each in await received(websocket)]
    assert types[-1] == "finished"
