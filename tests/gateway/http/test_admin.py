"""The operators' route."""

import anyio
import httpx2
import pytest

from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from tests.servers import get, serving


async def test_a_drain_is_answered_at_once_and_repeating_it_changes_nothing() -> None:
    async with serving(ScriptedEngine()) as served, httpx2.AsyncClient(base_url=served.url) as http:
        first = await http.post("/admin/drain")
        assert (first.status_code, first.json()["sessions"]) == (202, 0)
        with anyio.fail_after(10):
            again = await http.post("/admin/drain?wait=true")
        assert (again.status_code, again.json()["status"]) == (202, "drained")
        ready = await get(f"{served.url}/readyz")
    assert (ready.status, ready.json()["status"], ready.json()["free_streams"]) == (503, "draining", 0)


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("wrong", 401), ("operator", 202)])
async def test_only_a_key_of_the_settings_may_drain(key: str | None, status: int) -> None:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        serving(ScriptedEngine(), load_settings({"server": {"api_keys": ["operator"]}})) as served,
        httpx2.AsyncClient(base_url=served.url) as http,
    ):
        assert (await http.post("/admin/drain", headers=headers)).status_code == status
        assert served.gateway.sessions.drain.has_begun is (status == 202)


async def test_without_keys_only_this_machine_may_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http.security.address_of", lambda request: "192.0.2.7")
    async with serving(ScriptedEngine()) as served, httpx2.AsyncClient(base_url=served.url) as http:
        assert (await http.post("/admin/drain")).status_code == 401
        assert not served.gateway.sessions.drain.has_begun
