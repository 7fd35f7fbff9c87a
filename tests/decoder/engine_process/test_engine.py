"""An engine in a process of its own: what is answered when it dies, hangs or does not start, and that none is left."""

import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import pytest

from decoder.engine import Engine, EngineInfo
from decoder.engine_process.engine import ProcessEngine, Supervision
from decoder.engine_selection import create_engine
from decoder.scheduler import Scheduler
from decoder.settings import EngineSettings, PlannerSettings, SchedulerSettings, UpstreamSettings
from decoder.types import DecodeRequest, EngineBusy, EngineError, EngineFailed, Hypothesis, ModelError
from tests.requests import hypothesis, request, text

ROOT = Path(__file__).parents[3]

COMMAND = (sys.executable, "-P", "-m", "tests.decoder.engine_process.faulty_child")

AT_ONCE = Supervision(first_back_off_s=0.01, silence_s=30.0, closing_s=30.0)

PATIENCE_S = 30.0
"""Nothing here takes so long, but the start of a process on a busy machine."""

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for processes by their descriptors")


class Log(logging.Handler):
    """Waits for lines of the log."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self._lines.append(record.getMessage())
            self._changed.notify_all()

    async def wait_for(self, part: str, times: int = 1) -> list[str]:
        """Return the lines with that part, once there are so many."""

        def wait() -> list[str]:
            with self._changed:
                assert self._changed.wait_for(lambda: len(self._with(part)) >= times, PATIENCE_S), self._lines
                return self._with(part)

        return await anyio.to_thread.run_sync(wait)

    def _with(self, part: str) -> list[str]:
        return [line for line in self._lines if part in line]


@pytest.fixture
def log() -> Iterator[Log]:
    handler, logger = Log(), logging.getLogger("livecue")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)


@asynccontextmanager
async def running(model: str = "sound", supervision: Supervision = AT_ONCE) -> AsyncIterator[ProcessEngine]:
    """Run the engine that fails on demand; its process has ended at the end."""
    engine = ProcessEngine(EngineSettings("faulty", model), COMMAND, supervision)
    try:
        await engine.warm_up()
        yield engine
    finally:
        await engine.aclose()
    assert engine.process_id is None


async def answer_to(engine: Engine, session: str, revision: int = 1) -> Hypothesis | EngineError:
    return (await engine.decode([request(session, revision=revision)]))[0]


async def words_of(engine: Engine, session: str) -> str:
    answer = await answer_to(engine, session)
    assert isinstance(answer, Hypothesis)
    return text(answer.words)


def kill(engine: ProcessEngine) -> None:
    assert engine.process_id is not None
    os.kill(engine.process_id, signal.SIGKILL)


def wait_for_end(process_id: int) -> None:
    """Wait until a process that is no child of this one has ended."""
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    ready, _, _ = select.select([descriptor], [], [], PATIENCE_S)
    os.close(descriptor)
    assert ready, f"process {process_id} still runs"


async def test_the_engine_is_described_once_it_is_warm() -> None:
    async with running() as engine:
        assert engine.info.is_usable is not None
        assert engine.info.is_usable()
        assert replace(engine.info, is_usable=None) == EngineInfo("faulty", "model", "cpu", ("en",))
        assert (engine.max_batch, engine.parallel) == (5, 3)


async def test_each_request_has_its_answer_or_its_own_error() -> None:
    async with running() as engine:
        answers = await engine.decode([request("a"), request("b", revision=99), request("c")])

        assert answers[0] == hypothesis(request("a"), "words")
        assert isinstance(answers[1], EngineFailed)
        assert str(answers[1]) == "not this"
        assert answers[2] == hypothesis(request("c"), "words")


async def test_an_engine_that_was_not_warmed_up_is_when_it_decodes() -> None:
    engine = ProcessEngine(EngineSettings("faulty", "sound"), COMMAND, AT_ONCE)
    assert await words_of(engine, "a") == "words"
    await engine.aclose()


async def test_batches_are_decoded_side_by_side() -> None:
    async with running() as engine, anyio.create_task_group() as tasks:
        tasks.start_soon(answer_to, engine, "waits")
        await anyio.wait_all_tasks_blocked()
        assert await words_of(engine, "a") == "words"
        tasks.cancel_scope.cancel()


async def test_a_cancelled_batch_ends_in_the_process_too() -> None:
    async with running() as engine:
        for _ in range(20):
            with anyio.move_on_after(0):
                await answer_to(engine, "waits")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(answer_to, engine, "waits")
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
        assert await words_of(engine, "takes a place") == "words"


@pytest.mark.parametrize(
    ("session", "kind", "message"), [("refuses", EngineBusy, "full"), ("raises", EngineFailed, "KeyError")]
)
async def test_what_the_engine_raises_is_raised(log: Log, session: str, kind: type[EngineError], message: str) -> None:
    async with running() as engine:
        with pytest.raises(kind, match=message):
            await answer_to(engine, session)
        assert await words_of(engine, "a") == "words"
    if session == "raises":
        assert "a bug" in (await log.wait_for("engine failed"))[0]  # with the traceback


async def test_what_libraries_print_is_logged_and_disturbs_nothing(log: Log) -> None:
    async with running() as engine:
        assert await words_of(engine, "prints") == "words"
        assert await words_of(engine, "a") == "words"
        await log.wait_for("complained")
        await log.wait_for("printed")


async def test_sessions_are_forgotten_in_the_process() -> None:
    async with running() as engine:
        engine.forget("a")
        engine.forget("b")
        assert await words_of(engine, "forgotten") == "a b"


async def test_who_waits_when_the_process_dies_gets_an_error_at_once_and_another_is_started(log: Log) -> None:
    async with running() as engine:
        dead = engine.process_id
        errors: list[str] = []

        async def wait() -> None:
            try:
                await answer_to(engine, "waits")
            except EngineFailed as error:
                errors.append(str(error))

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert await words_of(engine, "a") == "words"  # by then the others are in the process
            kill(engine)

        assert errors == ["the engine's process has ended: exit status -9"] * 3
        await log.wait_for("engine process ready", times=2)
        assert engine.process_id != dead
        assert await words_of(engine, "a") == "words"


async def test_readiness_follows_the_process(log: Log) -> None:
    slowly = replace(AT_ONCE, first_back_off_s=0.5)
    async with running(supervision=slowly) as engine, anyio.create_task_group() as tasks:
        scheduler = Scheduler(engine, PlannerSettings(), SchedulerSettings(), lambda: 0.0)
        tasks.start_soon(scheduler.run)
        await anyio.wait_all_tasks_blocked()
        is_ready = [scheduler.is_ready]

        with pytest.raises(EngineFailed, match="exit status 7"):
            await answer_to(engine, "dies")
        is_ready.append(scheduler.is_ready)

        await log.wait_for("engine process restarts")
        with pytest.raises(EngineFailed, match="another one is being started"):
            await answer_to(engine, "a")

        await log.wait_for("engine process ready", times=2)
        is_ready.append(scheduler.is_ready)
        tasks.cancel_scope.cancel()
    assert is_ready == [True, False, True]


async def test_readiness_follows_the_engine_in_the_process() -> None:
    async with running() as engine:
        assert engine.info.is_usable is not None
        await answer_to(engine, "unusable")
        with anyio.fail_after(PATIENCE_S):
            while engine.info.is_usable():
                await answer_to(engine, "a")


async def test_the_work_of_all_processes_is_counted(log: Log) -> None:
    async with running() as engine:
        await answer_to(engine, "a")
        await answer_to(engine, "a")
        kill(engine)
        await log.wait_for("engine process ready", times=2)
        assert engine.work.decoder_steps == 2
        await answer_to(engine, "a")
        assert engine.work.decoder_steps == 3


async def test_a_process_that_hangs_is_killed_and_started_again(log: Log) -> None:
    async with running(supervision=replace(AT_ONCE, silence_s=3.0)) as engine:
        with pytest.raises(EngineFailed, match="sent nothing for 3 s"):
            await answer_to(engine, "blocks")
        await log.wait_for("engine process ready", times=2)
        assert await words_of(engine, "a") == "words"


async def test_the_back_off_doubles_until_a_process_answers(log: Log) -> None:
    async with running() as engine:
        for count in range(3):
            await log.wait_for("engine process ready", times=count + 1)
            kill(engine)
        await log.wait_for("engine process ready", times=4)
        assert await words_of(engine, "a") == "words"
        kill(engine)
        waits = [line.split("in_s=")[1].split()[0] for line in await log.wait_for("restarts", times=4)]
    assert waits == ["0.01", "0.02", "0.04", "0.01"]


async def test_a_start_that_fails_later_is_tried_again(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running("once") as engine:
        monkeypatch.setenv("STARTED_BEFORE", "1")
        kill(engine)
        await log.wait_for("no longer there", times=2)
        assert not engine._is_usable()
        monkeypatch.delenv("STARTED_BEFORE")
        await log.wait_for("engine process ready", times=2)
        assert await words_of(engine, "a") == "words"


@pytest.mark.parametrize(
    ("model", "message"), [("missing", "^no such model$"), ("broken", "KeyError"), ("dies", "exit status 9")]
)
async def test_a_first_start_that_fails_is_an_error_of_the_model(log: Log, model: str, message: str) -> None:
    engine = ProcessEngine(EngineSettings("faulty", model), COMMAND, AT_ONCE)
    with pytest.raises(ModelError, match=message):
        await engine.warm_up()
    with pytest.raises(ModelError):
        await engine.warm_up()
    with pytest.raises(EngineFailed):
        await answer_to(engine, "a")
    assert engine.process_id is None
    await engine.aclose()


async def test_a_command_that_does_not_exist_is_an_error_of_the_model() -> None:
    engine = ProcessEngine(EngineSettings("faulty"), ("/nonexistent/python",), AT_ONCE)
    with pytest.raises(ModelError, match="cannot be started"):
        await engine.warm_up()
    await engine.aclose()


async def test_a_program_that_sends_something_else_is_an_error_of_the_model() -> None:
    engine = ProcessEngine(EngineSettings("faulty"), (sys.executable, "-c", "print('x' * 100_000)"), AT_ONCE)
    with pytest.raises(ModelError, match="no report"):
        await engine.warm_up()
    await engine.aclose()


async def test_closing_answers_who_waits_and_may_be_done_again_or_first() -> None:
    engine = ProcessEngine(EngineSettings("faulty", "sound"), COMMAND, AT_ONCE)
    await engine.warm_up()
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            with pytest.raises(EngineError):
                await answer_to(engine, "waits")

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await engine.aclose()
    await engine.aclose()
    with pytest.raises(EngineFailed):
        await answer_to(engine, "a")

    never = ProcessEngine(EngineSettings("faulty", "sound"), COMMAND, AT_ONCE)
    await never.aclose()
    with pytest.raises(ModelError, match="closed"):
        await never.warm_up()


async def test_closing_kills_a_process_that_does_not_end(log: Log) -> None:
    async with running("stays", replace(AT_ONCE, closing_s=0.2)) as engine:
        process_id = engine.process_id
    assert process_id is not None
    await anyio.to_thread.run_sync(wait_for_end, process_id)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_to_the_whole_group_leave_the_engine_to_the_gateway(number: signal.Signals) -> None:
    async with running() as engine:
        assert engine.process_id is not None
        os.kill(engine.process_id, number)
        assert await words_of(engine, "a") == "words"


SCRIPT = """
import os, signal, sys, anyio
from decoder.engine_process.engine import ProcessEngine
from decoder.settings import EngineSettings
from tests.decoder.engine_process.test_engine import COMMAND

async def main():
    engine = ProcessEngine(EngineSettings("faulty", "sound"), COMMAND)
    await engine.warm_up()
    print(engine.process_id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main)
"""


async def test_the_process_ends_when_the_gateway_is_killed() -> None:
    run: Callable[[], subprocess.CompletedProcess[str]] = partial(
        subprocess.run, [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    killed = await anyio.to_thread.run_sync(run)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    await anyio.to_thread.run_sync(wait_for_end, int(killed.stdout))


async def test_large_batches_cross_whole() -> None:
    """30 s of audio is more than a pipe holds."""
    batch = [DecodeRequest(f"{n}", 0, 1, request().kind, np.full(30 * 16_000, n, np.float32), 0, 0.0) for n in range(5)]
    async with running() as engine:
        for _ in range(3):
            assert [answer.session_id for answer in await engine.decode(batch)] == list("01234")  # type: ignore[union-attr]


def test_the_setting_chooses_it_for_any_engine_but_that_of_upstreams() -> None:
    assert isinstance(create_engine(EngineSettings("scripted", own_process=True)), ProcessEngine)
    assert not isinstance(create_engine(EngineSettings("scripted")), ProcessEngine)
    upstreams = (UpstreamSettings(base_url="https://example.test/v1", model="m"),)
    assert not isinstance(
        create_engine(EngineSettings("upstream", own_process=True, upstreams=upstreams)), ProcessEngine
    )


async def test_the_engine_of_the_setting_answers() -> None:
    engine = create_engine(EngineSettings("scripted", own_process=True))
    await engine.warm_up()
    assert await words_of(engine, "a") == "one two"
    await engine.aclose()
