"""Admission of WebSocket connections, alike on every route."""

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from tests.servers import Served, get, serving

ROUTES = ("/v1/stream", "/v1/realtime", "/v1/listen", "/v2/listen", "/v1/twilio", "/v1/vosk", "/v1/sessions/a/events")


async def refusal(served: Served, path: str, *, origin: str | None = None, key: str | None = None) -> int:
    """Return the HTTP status with which a connection is refused."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    url = served.url.replace("http", "ws", 1) + path
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, origin=None if origin is None else Origin(origin), additional_headers=headers):
            pass
    return refused.value.response.status_code


async def refusals(served: Served, code: str) -> float:
    """Return how many refusals of a code the metrics have."""
    metrics = (await get(f"{served.url}/metrics")).body.decode()
    lines = [line for line in metrics.splitlines() if line.startswith("livecue_connections_refused_total")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if f'code="{code}"' in line)


@pytest.mark.parametrize("path", ROUTES)
async def test_a_foreign_page_is_refused_on_every_route_and_counted(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(ScriptedEngine()) as served:
        assert await refusal(served, path, origin="https://evil.example") == 403
        assert await refusals(served, "forbidden_origin") == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("path", ROUTES)
async def test_a_wrong_key_is_refused_on_every_route_and_counted(path: str, caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings({"server": {"api_keys": ["right-key-of-the-settings"]}})
    async with serving(ScriptedEngine(), settings) as served:
        assert await refusal(served, path, key="wrong") == 401
        assert await refusals(served, "unauthorized") == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("path", [route for route in ROUTES if "sessions" not in route and "realtime" not in route])
async def test_a_full_gateway_refuses_on_every_route_and_counts_it(path: str) -> None:
    settings = load_settings({"server": {"max_sessions": 1}})
    async with serving(ScriptedEngine(), settings) as served, connect(served.stream_url):
        assert await refusal(served, f"{path}?encoding=linear16&sample_rate=16000&model=nova-2") == 503
        assert await refusals(served, "overloaded") == 1
