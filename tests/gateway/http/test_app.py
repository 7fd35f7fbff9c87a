"""The routes of a running gateway, over real sockets."""

import re
from contextlib import suppress
from functools import partial
from itertools import count

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from decoder.engines.scripted import ScriptedEngine
from decoder.scheduler import Answer
from decoder.types import EngineFailed
from gateway.http.app import create_app
from gateway.runtime import open_gateway
from gateway.settings import load_settings
from gateway.wire import Finished, Flush, Ready, ServerEvent, Start, Stop
from gateway.wire.native.codec import NativeClientCodec
from tests.requests import request
from tests.servers import get, serving

codec = NativeClientCodec()


async def open_session(websocket: ClientConnection) -> ServerEvent:
    await websocket.send(codec.send(Start())[0])
    return await next_event(websocket)


async def next_event(websocket: ClientConnection) -> ServerEvent:
    return codec.receive(await websocket.recv())[0]


def _set(event: anyio.Event, _: Answer) -> None:
    event.set()


async def test_health_reports_that_the_process_is_alive() -> None:
    async with serving(ScriptedEngine()) as served:
        assert (await get(f"{served.url}/healthz")).json() == {"status": "ok"}


async def test_readiness_names_the_engine() -> None:
    async with serving(ScriptedEngine()) as served:
        reply = await get(f"{served.url}/readyz")
        assert reply.status == 200
        assert reply.json() == {
            "status": "ready",
            "engine": "scripted",
            "model": "script",
            "device": "none",
            "languages": [],
            "sessions": 0,
            "free_streams": 200,
            "overload": "normal",
        }


async def test_readiness_turns_red_when_the_engine_keeps_failing() -> None:
    engine = ScriptedEngine(lambda request: EngineFailed("no luck"))
    settings = load_settings({"scheduler": {"failures_until_unready": 2}})
    async with serving(engine, settings) as served:
        for utterance in range(2):
            answered = anyio.Event()
            served.gateway.sessions.scheduler.submit(request(utterance=utterance), partial(_set, answered))
            await answered.wait()
        reply = await get(f"{served.url}/readyz")
    assert reply.status == 503
    assert reply.json()["status"] == "engine_failing"


async def test_metrics_count_sessions_in_prometheus_text() -> None:
    async with serving(ScriptedEngine()) as served:
        async with connect(served.stream_url) as websocket:
            await open_session(websocket)
            during = (await get(f"{served.url}/metrics")).body.decode()
            await websocket.send(codec.send(Stop())[0])
            async for _ in websocket:
                pass
        after = (await get(f"{served.url}/metrics")).body.decode()
    assert "livecue_sessions 1.0" in during
    assert "livecue_sessions 0.0" in after
    assert 'livecue_sessions_ended_total{outcome="finished"} 1.0' in after


async def test_documentation_asks_nothing_of_other_hosts() -> None:
    async with serving(ScriptedEngine()) as served:
        page = (await get(f"{served.url}/docs")).body.decode()
        assert not re.search(r"https?://(?!127\.0\.0\.1)", page)
        script = re.search(r'src="([^"]+\.js)"', page)
        assert script is not None
        assert (await get(served.url + script[1])).status == 200
        paths = (await get(f"{served.url}/openapi.json")).json()["paths"]
    assert isinstance(paths, dict)
    assert {"/healthz", "/readyz", "/metrics"} <= paths.keys()


async def test_a_session_opens_and_finishes_over_a_real_socket() -> None:
    async with serving(ScriptedEngine()) as served, connect(served.stream_url) as websocket:
        ready = await open_session(websocket)
        await websocket.send(codec.send(Stop())[0])
        events = [codec.receive(message)[0] async for message in websocket]
    assert isinstance(ready, Ready)
    assert isinstance(events[-1], Finished)
    assert websocket.close_code == 1000


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}])
async def test_without_the_key_the_upgrade_is_refused(headers: dict[str, str]) -> None:
    settings = load_settings({"server": {"api_keys": ["secret"]}})
    async with serving(ScriptedEngine(), settings) as served:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(served.stream_url, additional_headers=headers).__aenter__()
    assert refusal.value.response.status_code == 401
    assert b'"code":"unauthorized"' in (refusal.value.response.body or b"")


async def test_with_the_key_the_session_opens() -> None:
    settings = load_settings({"server": {"api_keys": ["other", "secret"]}})
    async with (
        serving(ScriptedEngine(), settings) as served,
        connect(served.stream_url, additional_headers={"Authorization": "Bearer secret"}) as websocket,
    ):
        assert isinstance(await open_session(websocket), Ready)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example"])
async def test_a_foreign_page_may_not_connect(origin: str) -> None:
    async with serving(ScriptedEngine()) as served:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(served.stream_url, origin=Origin(origin)).__aenter__()
    assert refusal.value.response.status_code == 403
    assert b'"code":"forbidden_origin"' in (refusal.value.response.body or b"")


async def test_the_gateways_own_pages_and_allowed_ones_may_connect() -> None:
    settings = load_settings({"server": {"allowed_origins": ["https://captions.example"]}})
    async with serving(ScriptedEngine(), settings) as served:
        for origin in (served.url, "https://captions.example"):
            async with connect(served.stream_url, origin=Origin(origin)) as websocket:
                assert isinstance(await open_session(websocket), Ready)


async def test_a_full_gateway_refuses_with_503_and_takes_the_next_when_one_has_left() -> None:
    settings = load_settings({"server": {"max_sessions": 1}})
    async with serving(ScriptedEngine(), settings) as served:
        async with connect(served.stream_url) as websocket:
            await open_session(websocket)
            with pytest.raises(InvalidStatus) as refusal:
                await connect(served.stream_url).__aenter__()
            await websocket.send(codec.send(Stop())[0])
            async for _ in websocket:
                pass
        async with connect(served.stream_url) as websocket:
            assert isinstance(await open_session(websocket), Ready)
    assert refusal.value.response.status_code == 503
    assert refusal.value.response.headers["Retry-After"] == "5"
    assert b'"code":"overloaded"' in (refusal.value.response.body or b"")


async def test_a_message_of_10_mb_closes_its_own_connection_and_no_other() -> None:
    async with serving(ScriptedEngine()) as served, connect(served.stream_url) as neighbour:
        await open_session(neighbour)
        async with connect(served.stream_url, max_size=None) as websocket:
            await open_session(websocket)
            with suppress(ConnectionClosed):
                await websocket.send(bytes(10_000_000))
            with pytest.raises(ConnectionClosed) as closed:
                await websocket.recv()
        await neighbour.send(codec.send(Flush("still here"))[0])
        reply = await next_event(neighbour)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    assert reply.__class__.__name__ == "Flushed"


async def test_a_connection_cut_without_goodbye_leaves_nothing_behind() -> None:
    async with serving(ScriptedEngine()) as served:
        for _ in range(3):
            async with connect(served.stream_url) as websocket:
                await open_session(websocket)
                await websocket.send(bytes(32_000))
                websocket.transport.abort()
        for attempt in count():
            text = served.gateway.sessions.metrics.exposition().decode()
            if "livecue_sessions 0.0" in text:
                break
            assert attempt < 10_000
            await anyio.lowlevel.checkpoint()
    assert 'livecue_sessions_ended_total{outcome="disconnected"} 3.0' in text


async def test_an_application_leaves_its_gateway_as_it_was() -> None:
    async with open_gateway(load_settings({}), ScriptedEngine()) as gateway:
        before = gateway.sessions.metrics.exposition()
        for _ in range(2):
            create_app(gateway)
        assert gateway.sessions.metrics.exposition() == before
        assert before.count(b"# TYPE livecue_viewers ") == 1
