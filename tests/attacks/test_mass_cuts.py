"""A network that fails under everybody at once."""

import json
from pathlib import Path

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect

from decoder.engines.scripted import ScriptedEngine
from gateway.errors import ConfigurationError
from gateway.settings import load_settings
from tests.servers import Served, serving

_SESSIONS, _CUT = 200, 190


async def begun(served: Served, first: dict[str, object]) -> tuple[ClientConnection, dict[str, object]]:
    """Return a connection after its first message, and the answer."""
    websocket = await connect(served.stream_url, ping_interval=None)
    await websocket.send(json.dumps(first))
    answer: dict[str, object] = json.loads(await websocket.recv())
    return websocket, answer


async def test_190_of_200_sessions_that_are_cut_at_once_all_come_back(tmp_path: Path) -> None:
    settings = load_settings({"journal": {"database": tmp_path / "journal.db"}, "session": {"detector": "webrtc"}})
    async with serving(ScriptedEngine(), settings) as served:
        open_ones = [await begun(served, {"type": "start", "resumable": True}) for _ in range(_SESSIONS)]
        live = served.gateway.sessions.live
        for websocket, _ in open_ones[:_CUT]:
            websocket.transport.abort()
        with anyio.fail_after(20):
            while sum(session.is_detached for session in live) < _CUT:
                await anyio.lowlevel.checkpoint()
        back = []
        for _, ready in open_ones[:_CUT]:
            message = {"type": "resume", "session_id": ready["session_id"], "token": ready["resume_token"]}
            back.append(await begun(served, message))
        assert [answer["type"] for _, answer in back] == ["ready"] * _CUT
        assert len(live) == _SESSIONS
        for websocket, _ in [*back, *open_ones]:
            websocket.transport.abort()


def test_fewer_may_not_wait_than_may_be_connected() -> None:
    with pytest.raises(
        ConfigurationError, match=r"session.max_waiting = 50: expected at least server.max_sessions = 60"
    ):
        load_settings({"session": {"max_waiting": 50}, "server": {"max_sessions": 60}})
