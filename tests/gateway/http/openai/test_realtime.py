"""The routes of OpenAI's Realtime clients: admission, credentials and refusals."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from decoder.engines.scripted import ScriptedEngine
from gateway.access.caller import Caller
from gateway.access.client_secrets import MAX_SECRETS, ClientSecrets
from gateway.errors import Overloaded, Unauthorized
from gateway.settings import load_settings
from gateway.wire.openai_realtime.session_config import Defaults, SessionConfig
from tests.servers import Served, serving

PAGE = (Subprotocol("realtime"), Subprotocol("openai-insecure-api-key.secret"))


@asynccontextmanager
async def gateway(**groups: dict[str, object]) -> AsyncIterator[Served]:
    async with serving(ScriptedEngine(), load_settings(groups)) as served:
        yield served


def with_key(**groups: dict[str, object]) -> dict[str, dict[str, object]]:
    return {"server": {"api_keys": ["secret"]}, **groups}


def url_of(served: Served, query: str = "") -> str:
    return served.url.replace("http", "ws", 1) + f"/v1/realtime{query}"


async def receive(websocket: ClientConnection) -> dict[str, object]:
    message: dict[str, object] = json.loads(await websocket.recv())
    return message


@pytest.mark.parametrize(
    "query", ["", "?intent=transcription", "?model=gpt-4o", "?intent=transcription&model=m&call_id=c"]
)
async def test_every_address_that_clients_use_opens_a_session(query: str) -> None:
    async with gateway() as served, connect(url_of(served, query)) as websocket:
        assert (await receive(websocket))["type"] == "session.created"


async def test_a_page_gets_in_by_a_subprotocol_and_its_key_is_neither_answered_nor_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "livecue")
    async with gateway(**with_key()) as served, connect(url_of(served), subprotocols=PAGE) as websocket:
        assert (await receive(websocket))["type"] == "session.created"
        assert websocket.subprotocol == "realtime"
    assert "openai-insecure-api-key" not in caplog.text


async def test_a_client_without_subprotocols_gets_none() -> None:
    async with gateway() as served, connect(url_of(served)) as websocket:
        assert websocket.subprotocol is None


async def test_the_betas_header_and_subprotocol_are_ignored() -> None:
    offered = (*PAGE, Subprotocol("openai-beta.realtime-v1"))
    headers = {"OpenAI-Beta": "realtime=v1"}
    async with (
        gateway(**with_key()) as served,
        connect(url_of(served), subprotocols=offered, additional_headers=headers) as websocket,
    ):
        assert (await receive(websocket))["type"] == "session.created"


@pytest.mark.parametrize("key", ["wrong", "ek_wrong", ""])
async def test_without_the_key_the_upgrade_is_refused(key: str) -> None:
    async with gateway(**with_key()) as served:
        for offer in ({"additional_headers": {"Authorization": f"Bearer {key}"}}, {"subprotocols": _page_with(key)}):
            with pytest.raises(InvalidStatus) as refusal:
                await connect(url_of(served), **offer).__aenter__()
            assert refusal.value.response.status_code == 401
            assert b'"code":"unauthorized"' in (refusal.value.response.body or b"")


def _page_with(key: str) -> tuple[Subprotocol, ...]:
    return (Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{key or 'x'}"))


async def test_a_wrong_key_can_be_reported_to_pages_in_the_open_connection() -> None:
    groups = with_key(realtime={"inband_auth_errors": True})
    async with gateway(**groups) as served, connect(url_of(served), subprotocols=_page_with("wrong")) as websocket:
        error = (await receive(websocket))["error"]
        with pytest.raises(ConnectionClosed) as closed:
            await websocket.recv()
    assert isinstance(error, dict)
    assert error["code"] == "invalid_api_key"
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (3000, "invalid_request_error.invalid_api_key")


async def test_a_foreign_page_may_not_connect() -> None:
    async with gateway() as served:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(url_of(served), origin=Origin("https://evil.example")).__aenter__()
    assert refusal.value.response.status_code == 403


async def test_a_full_gateway_closes_with_try_again_and_no_error() -> None:
    async with gateway(server={"max_sessions": 1}) as served, connect(url_of(served)) as first:
        await receive(first)
        async with connect(url_of(served), subprotocols=PAGE) as second:
            with pytest.raises(ConnectionClosed) as closed:
                await second.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, "overloaded")


async def test_cues_are_sent_where_the_query_requests_them() -> None:
    audio = b"\x10\x27\xf0\xd8" * 12_000  # a buzz of 12 kHz would be no speech, but all is where the client commits
    manual = {"type": "session.update", "session": {"audio": {"input": {"turn_detection": None}}}}
    async with gateway() as served, connect(url_of(served, "?cues=true")) as websocket:
        await websocket.send(json.dumps(manual))
        await websocket.send(audio)
        await websocket.send(json.dumps({"type": "input_audio_buffer.commit"}))
        kinds = []
        while "conversation.item.input_audio_transcription.completed" not in kinds:
            kinds.append((await receive(websocket))["type"])
    assert "livecue.cue" in kinds


# --- client secrets ---------------------------------------------------------------------------------------------------


async def ask(served: Served, body: bytes, key: str = "secret") -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.post(
            f"{served.url}/v1/realtime/client_secrets", content=body, headers={"Authorization": f"Bearer {key}"}
        )


async def test_a_secret_is_bound_to_a_session_and_opens_several() -> None:
    wanted = {"session": {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}, "expires_after": {"seconds": 10}}
    async with gateway(**with_key()) as served:
        made = (await ask(served, json.dumps(wanted).encode())).json()
        for offer in (_page_with(made["value"]), _page_with(made["value"])):
            async with connect(url_of(served), subprotocols=offer) as websocket:
                created = await receive(websocket)
                assert '"format": {"type": "audio/pcmu"}' in json.dumps(created)
    assert made["value"].startswith("ek_")
    assert made["session"]["type"] == "transcription"
    assert made["session"]["expires_at"] == made["expires_at"]
    assert made["value"] not in json.dumps(made["session"])


async def test_a_secret_without_a_body_is_of_the_default_kind() -> None:
    async with gateway(**with_key()) as served:
        reply = await ask(served, b"")
    assert reply.status_code == 200
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json()["session"]["audio"]["input"]["turn_detection"]["type"] == "server_vad"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (b"{", 400, None),
        (b"[]", 400, None),
        (b'{"session":{"type":"realtime"}}', 400, "session.type"),
        (b'{"session":{"audio":{"input":{"format":{"rate":1}}}}}', 400, "session.audio.input.format.rate"),
        (b'{"expires_after":{"seconds":9}}', 400, "expires_after.seconds"),
        (b'{"expires_after":{"seconds":7201}}', 400, "expires_after.seconds"),
        (b" " * 16_385, 413, None),
    ],
)
async def test_a_secret_of_no_kind_is_refused(body: bytes, status: int, param: str | None) -> None:
    async with gateway(**with_key()) as served:
        reply = await ask(served, body)
    assert reply.status_code == status
    assert reply.json()["error"]["param"] == param


async def test_a_secret_makes_no_secrets() -> None:
    async with gateway(**with_key()) as served:
        made = (await ask(served, b"")).json()["value"]
        assert (await ask(served, b"", made)).status_code == 401


def test_a_secret_expires() -> None:
    now_s = 1_000.0
    secrets = ClientSecrets(lambda: now_s)
    secret, made = secrets.create(Caller("a"), SessionConfig.of(Defaults()), 10)
    assert made.expires_at == 1_010
    now_s = 1_009.9
    assert secrets.redeem(secret).caller == Caller("a")
    now_s = 1_010.0
    with pytest.raises(Unauthorized):
        secrets.redeem(secret)


def test_there_is_room_for_only_so_many_secrets_at_once() -> None:
    now_s = 1_000.0
    secrets = ClientSecrets(lambda: now_s)
    config = SessionConfig.of(Defaults())
    for _ in range(MAX_SECRETS):
        secrets.create(Caller(None), config, 10)
    with pytest.raises(Overloaded):
        secrets.create(Caller(None), config, 10)
    now_s = 1_010.0
    secrets.create(Caller(None), config, 10)
