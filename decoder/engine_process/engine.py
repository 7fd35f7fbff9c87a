"""An engine that runs in a process of its own: the gateway's side."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import anyio
import anyio.to_thread

from decoder.engine import EngineInfo, EngineWork
from decoder.engine_process.process import COMMAND, Process
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, ModelError

__all__ = ["ProcessEngine", "Supervision"]

logger = logging.getLogger("livecue.engine")

CHECK_INTERVAL_S = 1.0
"""How often a process is checked for its silence."""


@dataclass(frozen=True, slots=True)
class Supervision:
    """When a process counts as broken, and when it is started again.

    Attributes:
        first_back_off_s: wait before it is started again, doubled each time that it ends before it answered.
        longest_back_off_s: the longest such wait.
        silence_s: a process that is started and sends nothing for so long hangs, and is killed. It sends its status
            every second; a step of a large model on a busy CPU may hold Python for several.
        closing_s: time to end by itself; then it is killed. Longer than the child's own, after which it does so itself.
    """

    first_back_off_s: float = 0.5
    longest_back_off_s: float = 30.0
    silence_s: float = 30.0
    closing_s: float = 15.0


class ProcessEngine:
    """Hands batches to an engine in another process. The contract is `decoder.engine.Engine`'s.

    A thread starts the process, and starts it again when it ends; what was being decoded then is answered with
    `EngineFailed` at once, and so is what is decoded until the engine is warm again.

    | state | `decode` | `is_usable` |
    |---|---|---|
    | not started | starts it | no |
    | warm | is answered by the process | as the engine there says |
    | ended, being started again | raises `EngineFailed` | no |
    | closed | raises `EngineFailed` | no |
    """

    def __init__(
        self, settings: EngineSettings, command: Sequence[str] = COMMAND, supervision: Supervision | None = None
    ) -> None:
        """Create an engine; `warm_up` or the first `decode` starts its process.

        Args:
            settings: of the engine, which is chosen: not `auto`.
            command: of the process.
            supervision: when the process is started again.
        """
        self.info = EngineInfo(settings.name, settings.model or "", settings.device, is_usable=self._is_usable)
        """Complete once the engine is warm."""
        self.max_batch = settings.max_batch
        self.parallel = 1
        self._settings = replace(settings, own_process=False)  # the process has the engine in itself
        self._command = command
        self._supervision = supervision or Supervision()
        self._earlier_work = EngineWork()  # of processes that have ended
        self._running: Process | None = None
        self._warm: Process | None = None  # the running one, once its engine is warm
        self._first_start: Future[None] = Future()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()  # a process that starts while the engine is closed is closed, too

    @property
    def work(self) -> EngineWork:
        """The work of all processes so far."""
        with self._lock:
            return self._earlier_work if self._warm is None else self._earlier_work + self._warm.work

    @property
    def process_id(self) -> int | None:
        """Of the process that is running; None: none is."""
        running = self._running
        return None if running is None else running.process_id

    async def warm_up(self) -> None:
        """Start the process, whose engine warms up; once it was started, do nothing.

        Raises:
            ModelError: the engine cannot be created or warmed up, or its process does not start.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._supervise, name="livecue-engine", daemon=True)
            self._thread.start()
        # Shielded: a caller that is cancelled must not cancel it for the others.
        await asyncio.shield(asyncio.wrap_future(self._first_start))

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return one answer per request, in the same order.

        Raises:
            EngineError: as the engine raised it; or its process has ended, or did not start.
        """
        if not self._first_start.done():
            await self.warm_up()
        warm = self._warm
        if warm is None:
            raise EngineFailed("the engine's process has ended: another one is being started")
        number, answers = warm.decode(batch)
        try:
            return await asyncio.wrap_future(answers)
        finally:
            warm.cancel(number)

    def forget(self, session_id: str) -> None:
        """Discard the state of a session."""
        warm = self._warm
        if warm is not None:
            warm.forget(session_id)

    async def aclose(self) -> None:
        """End the process, by force if it does not end by itself."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._close)

    def _close(self) -> None:
        with self._lock:
            self._closing.set()
            running = self._running
        if running is not None:
            self._end(running)
        if self._thread is not None:
            self._thread.join()

    def _end(self, process: Process) -> None:
        process.close()
        if not process.ended.wait(self._supervision.closing_s):
            process.kill("it did not end when it was closed")
            process.ended.wait()

    def _is_usable(self) -> bool:
        warm = self._warm
        return warm is not None and warm.is_usable

    def _supervise(self) -> None:
        """Run one process after the other until the engine is closed, or the first does not start."""
        back_off_s = self._supervision.first_back_off_s
        while True:
            error, has_answered = self._run()
            if not self._first_start.done():
                is_exact = isinstance(error, ModelError)
                self._first_start.set_exception(error if is_exact else ModelError(f"the engine did not start: {error}"))
                return
            if self._closing.is_set():
                return
            if has_answered:
                back_off_s = self._supervision.first_back_off_s
            logger.error("engine process restarts in_s=%g error=%s", back_off_s, error)
            if self._closing.wait(back_off_s):
                return
            back_off_s = min(2 * back_off_s, self._supervision.longest_back_off_s)

    def _run(self) -> tuple[EngineError, bool]:
        """Run a process to its end; return why it ended, and whether it answered anything."""
        with self._lock:
            if self._closing.is_set():
                return EngineFailed("the engine was closed"), False
            try:
                process = self._running = Process(self._command, self._settings, time.monotonic)
            except OSError as error:
                return ModelError(f"the engine's process cannot be started: {error}"), False
        end = self._use(process)
        self._running = None
        return end, process.has_answered

    def _use(self, process: Process) -> EngineError:
        """Use a process from its start to its end, and return why it ended."""
        try:
            started = process.started.result()
        except EngineError as error:
            self._end(process)
            return error
        self.info, self.max_batch, self.parallel = started.info(self._is_usable), started.max_batch, started.parallel
        self._warm = process
        logger.info("engine process ready pid=%d", process.process_id)
        if not self._first_start.done():
            self._first_start.set_result(None)
        self._watch(process)
        with self._lock:
            self._earlier_work += process.work
            self._warm = None
        return process.end

    def _watch(self, process: Process) -> None:
        """Wait for the end of a process, and kill it if it hangs."""
        while not process.ended.wait(CHECK_INTERVAL_S):
            if process.silent_s > self._supervision.silence_s:
                process.kill(f"it sent nothing for {self._supervision.silence_s:g} s")
