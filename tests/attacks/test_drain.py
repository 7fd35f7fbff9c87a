"""A gateway that drains during live sessions and uploads."""

import json
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import anyio
import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.settings import load_settings
from gateway.shutdown import drain
from tests.commands import serving_command
from tests.servers import Served, serving
from tests.sessions import LoudnessDetector, Message, silence, speech
from tests.uploading import GatedEngine, wav
from vad.detector import DETECTORS

RESTART = 1012


@asynccontextmanager
async def gated(path: Path, drain_s: float = 20.0) -> AsyncIterator[tuple[Served, GatedEngine]]:
    """A gateway whose engine decodes once its gate is opened."""
    engine = GatedEngine()
    engine.gate = anyio.Event()
    settings = load_settings(
        {
            "journal": {"database": path / "journal.db"},
            "session": {"detector": "loudness"},
            "limits": {"drain_s": drain_s},
        }
    )
    with patch.dict(DETECTORS, loudness=f"{LoudnessDetector.__module__}:LoudnessDetector"):
        async with serving(engine, settings) as served:
            yield served, engine


async def spoken_to(served: Served, received: list[Message] | None = None, **start: object) -> ClientConnection:
    """Return a connection with audio whose words are pending; `received` so far is recorded."""
    messages: list[Message] = [] if received is None else received
    websocket = await connect(served.stream_url)
    await websocket.send(json.dumps({"type": "start", "partials": False} | start))
    await websocket.send(silence(0.5) + speech(1.2) + silence(1.5))
    while not messages or messages[-1]["type"] != "speech_ended":
        messages.append(json.loads(await websocket.recv()))
    return websocket


async def rest_of(websocket: ClientConnection) -> tuple[list[Message], int | None]:
    """Return the remaining messages of a connection, and its close code."""
    rest: list[Message] = []
    try:
        while True:
            rest.append(json.loads(await websocket.recv()))
    except ConnectionClosed as closed:
        return rest, None if closed.rcvd is None else closed.rcvd.code


async def test_finals_that_are_pending_are_delivered_before_the_connection_is_closed(tmp_path: Path) -> None:
    async with gated(tmp_path) as (served, engine), anyio.create_task_group() as tasks:
        websocket = await spoken_to(served)
        tasks.start_soon(drain, served.gateway)
        engine.gate.set()
        rest, code = await rest_of(websocket)
    kinds = [message["type"] for message in rest]
    assert kinds.index("draining") < kinds.index("error") < kinds.index("final") < kinds.index("finished")
    assert [message["can_resume"] for message in rest if message["type"] == "draining"] == [False]
    assert [message["code"] for message in rest if message["type"] == "error"] == ["draining"]
    assert code == RESTART


async def test_a_resumable_session_continues_with_the_next_gateway(tmp_path: Path) -> None:
    async with gated(tmp_path) as (served, engine), anyio.create_task_group() as tasks:
        received: list[Message] = []
        websocket = await spoken_to(served, received, resumable=True)
        tasks.start_soon(drain, served.gateway)
        engine.gate.set()
        rest, code = await rest_of(websocket)
        await served.gateway.sessions.drain.finished.wait()
        assert not [*served.gateway.sessions.live]  # it has moved, and does not wait here for its client
        assert (
            'livecue_sessions_ended_total{outcome="moved"} 1.0' in served.gateway.sessions.metrics.exposition().decode()
        )
    assert code == RESTART
    assert [message["text"] for message in rest if message["type"] == "final"]
    (draining,) = [message for message in rest if message["type"] == "draining"]
    assert (draining["grace_s"], draining["can_resume"]) == (20.0, True)
    assert not [message for message in rest if message["type"] in ("error", "finished")]
    async with gated(tmp_path) as (served, _), connect(served.stream_url) as again:
        ready = received[0]
        fields = {"session_id": ready["session_id"], "token": ready["resume_token"], "after_seq": received[-1]["seq"]}
        await again.send(json.dumps({"type": "resume"} | fields))
        assert json.loads(await again.recv())["session_id"] == ready["session_id"]
        missed = [json.loads(await again.recv())["type"] for _ in range(2)]
        assert "draining" not in missed  # it was about the other gateway


async def test_a_session_that_moves_does_not_end_for_its_viewers(tmp_path: Path) -> None:
    async with gated(tmp_path) as (served, engine):
        received: list[Message] = []
        websocket = await spoken_to(served, received, resumable=True)
        broadcast = served.gateway.sessions.broadcaster.open_sessions()[str(received[0]["session_id"])]
        engine.gate.set()
        await drain(served.gateway)
        await websocket.wait_closed()
        assert broadcast.is_moving


async def test_new_sessions_are_refused_and_unstarted_ones_closed(tmp_path: Path) -> None:
    async with gated(tmp_path) as (served, engine), anyio.create_task_group() as tasks:
        waiting = await spoken_to(served)
        silent = await connect(served.stream_url)
        tasks.start_soon(drain, served.gateway)
        assert await rest_of(silent) == ([], RESTART)
        async with httpx2.AsyncClient(base_url=served.url) as http:
            ready = await http.get("/readyz")
            file = await http.post("/v1/audio/transcriptions", data={"model": "x"}, files={"file": wav(speech(1))})
        with pytest.raises(InvalidStatus) as refused:
            await connect(served.stream_url)
        engine.gate.set()
        await rest_of(waiting)
    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    assert (file.status_code, file.json()["error"]["code"]) == (503, "draining")
    assert refused.value.response.status_code == 503


@pytest.mark.parametrize(("drain_s", "status"), [(20.0, 200), (0.05, 503)])
async def test_a_file_is_finished_or_its_client_gets_an_error(tmp_path: Path, drain_s: float, status: int) -> None:
    async with gated(tmp_path, drain_s) as (served, engine), httpx2.AsyncClient(base_url=served.url) as http:
        replies: list[httpx2.Response] = []

        async def send() -> None:
            file = {"file": wav(silence(0.5) + speech(1.2) + silence(1.0))}
            replies.append(await http.post("/v1/audio/transcriptions", data={"model": "x"}, files=file, timeout=30))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await engine.has_been_asked.wait()
            tasks.start_soon(drain, served.gateway)
            if status == 200:
                engine.gate.set()
    assert replies[0].status_code == status
    if status == 503:
        assert replies[0].json()["error"]["code"] == "draining"
        assert "retry-after" in replies[0].headers


async def test_unfinished_work_is_aborted_at_the_timeout(tmp_path: Path) -> None:
    async with gated(tmp_path, 0.05) as (served, _):
        websocket = await spoken_to(served)
        await drain(served.gateway)
        rest, code = await rest_of(websocket)
    assert code == RESTART
    assert [message for message in rest if message["type"] == "error"]


def test_a_signal_drains_and_the_process_ends_well(tmp_path: Path) -> None:
    with serving_command(tmp_path) as command:
        command.process.send_signal(signal.SIGTERM)
        assert "sessions=0 files=0" in command.log_until("draining")
        assert command.process.wait(20) == 0


def status_of(url: str, key: str) -> int:
    request = urllib.request.Request(f"{url}/v1/models", headers={"Authorization": f"Bearer {key}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310  # loopback
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_the_keys_of_the_settings_are_read_again(tmp_path: Path) -> None:
    config = tmp_path / "livecue.toml"
    config.write_text('[server]\napi_keys = ["old-key", "kept-key"]\n')
    with serving_command(tmp_path, "--config", str(config)) as command:
        assert [status_of(command.url, key) for key in ("old-key", "kept-key", "new-key")] == [200, 200, 401]
        config.write_text('[server]\napi_keys = ["new-key", "kept-key"]\n')
        command.process.send_signal(signal.SIGHUP)
        command.log_until("keys of the settings reloaded")
        assert [status_of(command.url, key) for key in ("old-key", "kept-key", "new-key")] == [401, 200, 200]
        config.write_text("[server]\napi_keys = [broken\n")
        command.process.send_signal(signal.SIGHUP)
        command.log_until("keys not reloaded, the old ones stay")
        assert status_of(command.url, "new-key") == 200
