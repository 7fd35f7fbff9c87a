"""The engine `ray` on replicas in this process: what it answers when they die, change in number or mix up calls."""

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import anyio
import pytest

from decoder.engine import EngineWork
from decoder.engine_process.messages import Decode, Failed, Failure, Start
from decoder.engines.ray_serve.engine import RayEngine, ReplicaLost
from decoder.engines.ray_serve.replica import Replica, command_of, frame_of
from decoder.settings import EngineSettings, RaySettings
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, ModelError
from tests.requests import request

SETTINGS = EngineSettings("ray", ray=RaySettings(engine="scripted"))

START = frame_of(Start(EngineSettings("scripted", max_batch=5), 20))


class LocalCluster:
    """Replicas in this process, called in turn; those in `dead` are lost to their next callers."""

    def __init__(self, replicas: int = 2) -> None:
        self.replicas = [Replica(START) for _ in range(replicas)]
        self.dead: list[int] = []
        self.decoded: list[str] = []
        self.forgotten: list[tuple[str, ...]] = []
        self.usable: Sequence[bool] | EngineError = [True] * replicas
        self.answer: bytes | None = None
        self.is_closed = False
        self._calls = 0

    def start(self) -> bytes:
        return anyio.run(self.replicas[0].describe)  # a thread calls this

    async def decode(self, frame: bytes) -> tuple[str, bytes]:
        place = self._calls % len(self.replicas)
        self._calls += 1
        if place in self.dead:
            raise ReplicaLost("the replica has died")
        name, answer = await self.replicas[place].decode(frame)
        self.decoded.append(name)
        return name, self.answer or answer

    def poll(self, forgotten: tuple[str, ...]) -> Sequence[bool]:
        if isinstance(self.usable, EngineError):
            raise self.usable
        self.forgotten.append(forgotten)
        return self.usable

    def close(self) -> None:
        self.is_closed = True


@asynccontextmanager
async def running(cluster: LocalCluster) -> AsyncIterator[RayEngine]:
    """Run an engine that polls once, at its start; further polls are the test's."""
    engine = RayEngine(cluster, SETTINGS, poll_interval_s=3600.0)
    await engine.warm_up()
    yield engine
    await engine.aclose()
    assert cluster.is_closed


def session_of(answer: Hypothesis | EngineError) -> str:
    assert isinstance(answer, Hypothesis)
    return answer.session_id


async def decoded(engine: RayEngine, *sessions: str) -> list[str]:
    batch: list[DecodeRequest] = [request(session) for session in sessions]
    return [session_of(answer) for answer in await engine.decode(batch)]


async def test_engine_has_the_replicas_properties_and_a_place_for_each() -> None:
    async with running(LocalCluster(3)) as engine:
        assert (engine.info.engine, engine.info.model) == ("scripted", "script")
        assert (engine.max_batch, engine.parallel) == (5, 3)


async def test_batch_is_answered_in_its_order() -> None:
    async with running(LocalCluster()) as engine:
        assert await decoded(engine, "a", "b", "c") == ["a", "b", "c"]


async def test_first_decode_warms_up() -> None:
    cluster = LocalCluster()
    engine = RayEngine(cluster, SETTINGS, poll_interval_s=3600.0)

    assert await decoded(engine, "a") == ["a"]
    await engine.aclose()


async def test_batch_of_a_dead_replica_goes_to_another() -> None:
    cluster = LocalCluster()
    cluster.dead = [0]
    async with running(cluster) as engine:
        assert await decoded(engine, "a", "b") == ["a", "b"]
        assert cluster.decoded == [cluster.replicas[1].name]


async def test_batch_that_kills_two_replicas_is_given_up() -> None:
    cluster = LocalCluster(3)
    cluster.dead = [0, 1]
    async with running(cluster) as engine:
        with pytest.raises(ReplicaLost):
            await engine.decode([request("a")])
        assert cluster.decoded == []
        assert await decoded(engine, "b") == ["b"]


async def test_answer_to_another_call_is_refused() -> None:
    cluster = LocalCluster()
    async with running(cluster) as engine:
        _, other = await cluster.replicas[0].decode(frame_of(Decode(99, (request("other"),))))
        cluster.answer = other

        with pytest.raises(EngineFailed, match="answered another call"):
            await engine.decode([request("a")])


async def test_error_of_the_engine_is_raised_and_not_tried_again() -> None:
    cluster = LocalCluster()
    async with running(cluster) as engine:
        cluster.answer = frame_of(Failed(0, Failure("ModelError", "no weights")))

        with pytest.raises(ModelError, match="no weights"):
            await engine.decode([request("a")])
        assert len(cluster.decoded) == 1


async def test_every_replica_forgets_a_session_at_the_next_poll() -> None:
    cluster = LocalCluster()
    async with running(cluster) as engine:
        engine.forget("a")
        engine.forget("b")
        engine.poll()
        engine.poll()

    assert cluster.forgotten == [(), ("a", "b"), ()]


async def test_sessions_are_forgotten_later_when_the_replicas_cannot_be_asked() -> None:
    cluster = LocalCluster()
    async with running(cluster) as engine:
        engine.forget("a")
        cluster.usable = EngineFailed("timeout")
        engine.poll()
        cluster.usable = [True]
        engine.poll()

    assert cluster.forgotten == [(), ("a",)]


async def test_engine_is_usable_while_one_replica_is_and_places_follow_the_replicas() -> None:
    cluster = LocalCluster()
    async with running(cluster) as engine:
        is_usable = engine.info.is_usable
        assert is_usable is not None
        states = []
        changes: list[Sequence[bool] | EngineError] = [[True, False], [], [True] * 4, EngineFailed("timeout")]
        for cluster.usable in changes:
            engine.poll()
            states.append((is_usable(), engine.parallel))

    assert states == [(True, 1), (False, 1), (True, 4), (False, 1)]


async def test_replicas_that_do_not_start_are_a_model_error() -> None:
    class Broken(LocalCluster):
        def start(self) -> bytes:
            raise ModelError("no cluster")

    engine = RayEngine(Broken(), SETTINGS)

    with pytest.raises(ModelError, match="no cluster"):
        await engine.warm_up()
    await engine.aclose()


async def test_description_that_is_another_message_is_refused() -> None:
    class Confused(LocalCluster):
        def start(self) -> bytes:
            return frame_of(Failed(None, Failure("EngineFailed", "?")))

    engine = RayEngine(Confused(), SETTINGS)

    with pytest.raises(EngineFailed, match="described itself by Failed"):
        await engine.warm_up()


async def test_cluster_is_used_by_one_thread_from_its_start_to_its_end() -> None:
    class Watched(LocalCluster):
        threads: ClassVar[list[int]] = []

        def start(self) -> bytes:
            self.threads.append(threading.get_ident())
            return super().start()

        def close(self) -> None:
            self.threads.append(threading.get_ident())
            super().close()

    async with running(Watched()):
        pass

    first, last = Watched.threads
    assert first == last != threading.get_ident()


async def test_work_is_that_of_all_replicas() -> None:
    cluster = LocalCluster()
    for replica, steps in zip(cluster.replicas, (3, 4), strict=True):
        replica.engine.work = EngineWork(decoder_steps=steps)  # type: ignore[misc]  # a plain attribute of the scripted
    async with running(cluster) as engine:
        for _ in range(3):
            await decoded(engine, "a")

        assert engine.work == EngineWork(decoder_steps=7)


def test_request_survives_the_frame() -> None:
    command = command_of(frame_of(Decode(7, (request("a", seconds=2.0),))))

    assert isinstance(command, Decode)
    assert (command.number, len(command.batch[0].samples)) == (7, 32_000)
