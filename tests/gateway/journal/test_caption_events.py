"""Caption events: their limit, and waiting for the next session at any gateway of a shared store."""

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from gateway.errors import InvalidRequest
from gateway.journal.caption_events import CaptionEvents
from gateway.journal.open_store import make_store
from tests.redis_servers import RedisServer


async def test_a_session_at_another_gateway_ends_the_wait(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.caption_events._POLL_S", 0.01)
    settings = redis.settings()
    one, other = make_store(settings), make_store(settings)
    waiting, elsewhere = CaptionEvents(one), CaptionEvents(other)
    await waiting.add("weekly", None, None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waiting.wait_for_session, "weekly", None, 60.0)
        await anyio.lowlevel.checkpoint()
        await elsewhere.set_session("weekly", "a")
    found = await waiting.find("weekly")
    assert found is not None
    assert found.session_id == "a"
    for store in (one, other):
        await store.aclose()


async def test_an_owner_has_a_limited_number_of_events(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("gateway.journal.caption_events._MAX_OF_OWNER", 1)
    store = make_store(redis.settings())
    events = CaptionEvents(store)
    await events.add("weekly", "ada", None)
    assert await events.add("weekly", "bob", None) is None, "the name is taken"
    assert await events.add("daily", "bob", None) is not None
    with pytest.raises(InvalidRequest, match=r"1 caption events exist \(limit 1\)"):
        await events.add("monthly", "ada", None)
    await store.aclose()
