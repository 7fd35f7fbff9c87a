"""One process of an engine, from its start to its end."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from io import BufferedReader, FileIO
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import assert_never

import msgspec

from decoder.engine import EngineWork
from decoder.engine_process.messages import (
    Answered,
    Cancel,
    Command,
    Decode,
    Failed,
    Forget,
    Logged,
    Report,
    Start,
    Started,
    Status,
    decode_report,
    encode,
)
from decoder.engine_process.pipes import read_frame, write_frame
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis

__all__ = ["COMMAND", "Answers", "Process"]

logger = logging.getLogger("livecue.engine")

COMMAND = (sys.executable, "-P", "-m", "decoder.engine_process.child")

ROOT = Path(__file__).resolve().parents[2]

LONGEST_LINE_BYTES = 4096
"""Of what a library prints; the rest of a longer line is another line."""

Answers = Future[tuple[Hypothesis | EngineError, ...]]


class Process:
    """Sends commands and receives reports. All methods may be called from any thread, and none of them waits.

    Three threads of its own wait for the pipes: one writes commands, one reads reports, one logs what is printed. The
    queue of commands is bounded by the batches in flight, and by the sessions that end meanwhile.

    Attributes:
        process_id: of the operating system.
        started: done when the engine is warm; an `EngineError` if it cannot be created or warmed up, or the process has
            ended.
        end: why it has ended.
        ended: set when the process has ended; all batches in flight were answered with `EngineFailed` before.
        has_answered: whether it answered any batch.
        work: of its engine.
    """

    def __init__(self, command: Sequence[str], settings: EngineSettings, clock: Callable[[], float]) -> None:
        """Start the process, which then creates the engine and warms it up.

        Args:
            command: of the process.
            settings: of its engine.
            clock: in seconds.

        Raises:
            OSError: it cannot be started.
        """
        self.started: Future[Started] = Future()
        self.end = EngineFailed("the engine's process has not ended")
        self.ended = threading.Event()
        self.has_answered = False
        self.work = EngineWork()
        self._clock = clock
        self._reported_s = clock()
        self._is_usable = False
        self._reason: str | None = None  # why it was killed
        self._numbers = count()
        self._calls: dict[int, Answers] = {}
        self._has_closed = False
        self._lock = threading.Lock()  # of the two above
        self._commands: SimpleQueue[Command | None] = SimpleQueue()
        search_path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._popen = subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": search_path},
        )
        self.process_id = self._popen.pid
        self._commands.put(Start(settings, logging.getLogger("livecue").getEffectiveLevel()))
        for target in (self._write, self._read, self._log):
            threading.Thread(target=target, name=f"livecue-engine-{target.__name__}", daemon=True).start()

    @property
    def is_usable(self) -> bool:
        """Whether it is started, and its engine usable by its last status."""
        return self._is_usable and not self.ended.is_set()

    @property
    def silent_s(self) -> float:
        """Seconds since the last report."""
        return self._clock() - self._reported_s

    def decode(self, batch: Sequence[DecodeRequest]) -> tuple[int, Answers]:
        """Send a batch; return its number, and its future answers."""
        number, answers = next(self._numbers), Answers()
        with self._lock:
            if self._has_closed:
                answers.set_exception(self.end)
                return number, answers
            self._calls[number] = answers
        self._commands.put(Decode(number, tuple(batch)))
        return number, answers

    def cancel(self, number: int) -> None:
        """Give up a batch, unless it was answered."""
        if self._taken(number) is not None:
            self._commands.put(Cancel(number))

    def forget(self, session_id: str) -> None:
        """Discard the state of a session."""
        self._commands.put(Forget(session_id))

    def close(self) -> None:
        """Close its input, at which it ends by itself."""
        self._commands.put(None)

    def kill(self, reason: str) -> None:
        """End it by force.

        Args:
            reason: for the log, and for those whose batches are in flight.
        """
        self._reason = reason
        self._popen.kill()

    def _taken(self, number: int) -> Answers | None:
        with self._lock:
            return self._calls.pop(number, None)

    def _write(self) -> None:
        pipe = self._popen.stdin
        assert isinstance(pipe, FileIO)
        with pipe:
            try:
                while (command := self._commands.get()) is not None:
                    write_frame(pipe, encode(command))
            except OSError:
                return  # it has ended, as its reader finds, too

    def _read(self) -> None:
        pipe = self._popen.stdout
        assert isinstance(pipe, FileIO)
        try:
            with pipe:
                while (frame := read_frame(pipe)) is not None:
                    self._receive(decode_report(*frame))
        except (msgspec.DecodeError, ValueError) as error:
            self.kill(f"it sent what is no report: {error}")
        finally:
            self._end()

    def _end(self) -> None:
        status = self._popen.wait()
        self.close()  # its writer ends, too
        self.end = error = EngineFailed(f"the engine's process has ended: {self._reason or f'exit status {status}'}")
        with self._lock:
            self._has_closed = True
            calls = tuple(self._calls.values())
            self._calls.clear()
        self.ended.set()
        for call in calls:
            if call.set_running_or_notify_cancel():
                call.set_exception(error)
        if not self.started.done():
            self.started.set_exception(error)

    def _receive(self, report: Report) -> None:
        self._reported_s = self._clock()
        match report:
            case Started():
                self._is_usable = True
                self.started.set_result(report)
            case Answered():
                self.work = report.work
                self.has_answered = True
                call = self._taken(report.number)
                if call is not None and call.set_running_or_notify_cancel():
                    call.set_result(tuple(outcome.as_answer() for outcome in report.outcomes))
            case Failed():
                error = report.failure.as_error()
                call = None if report.number is None else self._taken(report.number)
                if report.number is None:
                    self.started.set_exception(error)
                elif call is not None and call.set_running_or_notify_cancel():
                    call.set_exception(error)
            case Status():
                self._is_usable = report.is_usable
            case Logged():
                logging.getLogger(report.logger).log(report.level, "%s", report.text)
            case _:
                assert_never(report)

    def _log(self) -> None:
        """Log what is printed, by libraries and by Python before it crashes."""
        pipe = self._popen.stderr
        assert isinstance(pipe, FileIO)
        with BufferedReader(pipe) as lines:
            while line := lines.readline(LONGEST_LINE_BYTES):
                logger.warning("engine process pid=%d: %s", self.process_id, line.decode(errors="replace").rstrip())
