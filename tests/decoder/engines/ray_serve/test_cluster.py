"""Replicas on a real Ray cluster of this machine: one that is killed, and one that does not start."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import anyio
import pytest

from decoder.engine import Engine
from decoder.engine_selection import create_engine
from decoder.settings import EngineSettings, RaySettings
from decoder.types import DecodeRequest, Hypothesis, ModelError
from tests.requests import request

PATIENCE_S = 60.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'livecue[ray]'"),
    pytest.mark.filterwarnings("default"),  # Ray's own
]


@asynccontextmanager
async def running(settings: RaySettings) -> AsyncIterator[Engine]:
    engine = create_engine(EngineSettings("ray", ray=settings))
    try:
        await engine.warm_up()
        yield engine
    finally:
        await engine.aclose()
    assert replica_processes() == []


def replica_processes() -> list[int]:
    """Return the ids of the processes of replicas that this one, through Ray, has started."""
    return [process for process in descendants(os.getpid()) if "ServeReplica" in command_of(process)]


def descendants(process: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *descendants(child)]
    return found


def command_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


async def replicas_become(engine: Engine, number: int) -> None:
    for _ in range(round(PATIENCE_S / 0.1)):
        if engine.parallel == number:
            return
        await anyio.sleep(0.1)  # Ray has no event for it, so the engine polls too
    raise AssertionError(f"{engine.parallel} replicas: expected {number}")


async def answered(engine: Engine, session: str, times: int) -> None:
    """Decode one request after the other; each answer must be the session's own."""
    for revision in range(times):
        asked: DecodeRequest = request(session, revision=revision)
        [answer] = await engine.decode([asked])
        assert isinstance(answer, Hypothesis), answer
        assert (answer.session_id, answer.revision) == (session, revision)


async def test_killed_replica_loses_no_request_and_is_replaced() -> None:
    async with running(RaySettings(engine="scripted", replicas=2, cpus=0.1)) as engine:
        await replicas_become(engine, 2)
        async with anyio.create_task_group() as tasks:
            for place in range(8):
                tasks.start_soon(answered, engine, f"session {place}", 100)
            await answered(engine, "before", 10)
            os.kill(replica_processes()[0], signal.SIGKILL)
        await replicas_become(engine, 2)

        assert len(replica_processes()) == 2


async def test_replicas_that_cannot_load_their_model_are_a_model_error() -> None:
    engine = create_engine(EngineSettings("ray", "/nowhere", ray=RaySettings(engine="moonshine", cpus=0.1)))
    try:
        with pytest.raises(ModelError, match="did not start"):
            await engine.warm_up()
    finally:
        await engine.aclose()
