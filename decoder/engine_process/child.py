"""The process of an engine: commands on stdin, reports on stdout. `decoder.engine_process.engine` starts it.

It ends when stdin ends, that is when the gateway closes the engine, or dies.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from io import FileIO
from typing import NoReturn, assert_never

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from decoder.engine import Engine
from decoder.engine_process.messages import (
    Answered,
    Cancel,
    Command,
    Decode,
    Failed,
    Failure,
    Forget,
    Logged,
    Outcome,
    Report,
    Start,
    Started,
    Status,
    decode_command,
    encode,
)
from decoder.engine_process.pipes import read_frame, write_frame
from decoder.engine_selection import create_engine
from decoder.settings import EngineSettings
from decoder.types import EngineError, EngineFailed

__all__ = ["main"]

logger = logging.getLogger("livecue.engine")

STATUS_INTERVAL_S = 1.0

UNUSABLE_S = 60.0
"""An engine that is unusable for so long does not recover by itself, as with a GPU that is lost to its process; this
ends, to be started again."""

CLOSING_S = 10.0
"""The engine may take so long to end its last step. Then the process ends without it: an orphan would hold a GPU."""


class _Reporter:
    """Writes reports, from any thread."""

    def __init__(self, pipe: FileIO) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def __call__(self, report: Report) -> None:
        """Write a report; without a gateway that reads it, do nothing: stdin ends, too."""
        pieces = encode(report)
        with self._lock, suppress(OSError):
            write_frame(self._pipe, pieces)


class _LogHandler(logging.Handler):
    """Reports what is logged."""

    def __init__(self, report: Callable[[Report], None]) -> None:
        super().__init__()
        self._report = report
        self.setFormatter(logging.Formatter("%(message)s"))  # and the traceback

    def emit(self, record: logging.LogRecord) -> None:
        """Report a record."""
        self._report(Logged(record.name, record.levelno, self.format(record)))


class _Server:
    """Carries out commands with one engine.

    Args:
        portal: to the event loop that the engine runs in.
        report: sends a report.
    """

    def __init__(self, portal: BlockingPortal, report: Callable[[Report], None]) -> None:
        self._portal = portal
        self._report = report
        self._engine: Engine | None = None
        self._running: Future[NoReturn] | None = None
        self._calls: dict[int, Future[tuple[Outcome, ...]]] = {}

    def carry_out(self, command: Command) -> None:
        """Begin to carry out a command."""
        match command:
            case Start():
                logging.getLogger("livecue").setLevel(command.log_level)
                self._running = self._portal.start_task_soon(self._run, command.settings)
                self._running.add_done_callback(self._report_end)
            case Decode():
                call = self._portal.start_task_soon(self._decode, command)
                self._calls[command.number] = call
                call.add_done_callback(partial(self._report_call, command.number))
            case Cancel():
                cancelled = self._calls.get(command.number)
                if cancelled is not None:
                    cancelled.cancel()
            case Forget():
                self._portal.start_task_soon(self._forget, command.session_id)
            case _:
                assert_never(command)

    def close(self) -> None:
        """Cancel what is being done, and free the engine."""
        if self._running is not None:
            self._running.cancel()
        for call in tuple(self._calls.values()):
            call.cancel()
        if self._engine is not None:
            self._portal.call(self._engine.aclose)

    async def _run(self, settings: EngineSettings) -> NoReturn:
        """Start the engine, and report its state for ever."""
        self._engine = engine = create_engine(settings)
        await engine.warm_up()
        self._report(Started.of(engine.info, engine.max_batch, engine.parallel))
        unusable_s = 0.0
        while True:
            is_usable = engine.info.is_usable is None or engine.info.is_usable()
            self._report(Status(is_usable))
            unusable_s = 0.0 if is_usable else unusable_s + STATUS_INTERVAL_S
            if unusable_s >= UNUSABLE_S:
                logger.error("engine process ends unusable_s=%g", unusable_s)
                os._exit(1)
            await anyio.sleep(STATUS_INTERVAL_S)

    def _report_end(self, run: Future[NoReturn]) -> None:
        error = _error_of(run)
        if error is not None:
            self._report(Failed(None, Failure.of(error)))

    async def _decode(self, command: Decode) -> tuple[Outcome, ...]:
        if self._engine is None:
            raise EngineFailed("the engine is not started")
        return tuple(Outcome.of(answer) for answer in await self._engine.decode(command.batch))

    def _report_call(self, number: int, call: Future[tuple[Outcome, ...]]) -> None:
        self._calls.pop(number, None)
        error = _error_of(call)
        if error is not None:
            self._report(Failed(number, Failure.of(error)))
        elif not call.cancelled() and self._engine is not None:
            self._report(Answered(number, call.result(), self._engine.work))

    async def _forget(self, session_id: str) -> None:
        if self._engine is not None:
            self._engine.forget(session_id)


def _error_of(call: Future[NoReturn] | Future[tuple[Outcome, ...]]) -> EngineError | None:
    """Return the error that a call ended with; None if it did not, or was cancelled."""
    error = None if call.cancelled() else call.exception()
    if error is None or isinstance(error, EngineError):
        return error
    logger.error("engine failed", exc_info=error)
    return EngineFailed(f"the engine raised {type(error).__name__}")


def main() -> None:
    """Serve until stdin ends."""
    # The gateway decides when its engine ends: it still needs it while it drains, and signals reach both.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    commands = FileIO(0, closefd=False)
    report = _Reporter(FileIO(os.dup(1), "w"))
    os.dup2(2, 1)  # what a library prints would be no frame
    logging.getLogger("livecue").addHandler(_LogHandler(report))
    with start_blocking_portal() as portal:
        server = _Server(portal, report)
        while (frame := read_frame(commands)) is not None:
            server.carry_out(decode_command(*frame))
        end = threading.Timer(CLOSING_S, os._exit, [1])
        end.daemon = True
        end.start()
        server.close()
        sys.exit()  # within the block, which then cancels what still runs in the loop


if __name__ == "__main__":
    main()
