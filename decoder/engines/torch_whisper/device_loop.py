"""The loop that owns a device: the requests of all sessions are encoded and decoded together, step by step."""

import logging
import math
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

import torch

from decoder.engines.torch_whisper.device import Device
from decoder.engines.torch_whisper.jobs import Align, Detect, Generate, Search
from decoder.engines.torch_whisper.slots import Finished, Progress

__all__ = ["AnyJob", "DeviceLoop"]

logger = logging.getLogger("livecue.engine")

ENCODED_POSITIONS = 4096
"""Most positions of one batch of the encoder, for which the texts in progress wait: by its arithmetic 15 ms of
large-v3-turbo on an H100."""

AnyJob = Generate | Search | Detect | Align


class DeviceLoop:
    """A thread that has a device to itself. `submit` may be called from any thread.

    A turn: take in what was submitted, encode the most urgent windows of one length, begin their texts, let all texts
    take a pass, answer those that are complete. Nothing waits for a batch to fill, and no text for another's
    end. What fails is answered with its error, and the loop goes on; a device that is lost fails every job.
    """

    def __init__(self, device: Device) -> None:
        """Start the thread, which warms the device up first.

        Args:
            device: belongs to the thread from now on.
        """
        self._device = device
        self._inbox: SimpleQueue[AnyJob | None] = SimpleQueue()  # bounded by the slots, each of which has one job
        self._waiting: list[AnyJob] = []
        self._running: dict[int, Generate] = {}
        self._progress: dict[int, Progress] = {}
        self._searching: dict[Search, Iterator[Finished | None]] = {}
        self._has_ended = threading.Event()
        self._reason = ""  # why it has ended
        self._abandoning = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="livecue-torch", daemon=True)
        self._thread.start()

    def submit(self, job: AnyJob) -> None:
        """Let a job be computed; no other of its slot may be in flight.

        Raises:
            RuntimeError: the loop has ended.
        """
        if self._has_ended.is_set():
            raise RuntimeError(self._reason)
        self._inbox.put(job)
        if self._has_ended.is_set():  # between the two
            self._abandon()

    def close(self) -> None:
        """End the loop; no job may be in flight. May be called again."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            with torch.inference_mode(), self._device.entered():
                self._device.warm_up()
                while self._take_in():
                    self._turn()
        finally:
            self._reason = f"the engine's loop has ended: {sys.exception() or 'it was closed'}"
            self._has_ended.set()
            self._abandon()

    def _abandon(self) -> None:
        """Answer all jobs, so that nobody waits for a loop that has ended."""
        with self._abandoning:  # by the thread, and by those who submit meanwhile
            with suppress(Empty):
                while True:
                    job = self._inbox.get_nowait()
                    if job is not None:
                        self._waiting.append(job)
            for job in [*self._waiting, *self._running.values(), *self._searching]:
                if not job.answer.done():
                    job.answer.set_exception(RuntimeError(self._reason))

    def _take_in(self) -> bool:
        """Take in what was submitted, wait where there is nothing else to do, and return whether to go on."""
        is_idle = not (self._waiting or self._running or self._searching)
        try:
            while True:
                job = self._inbox.get() if is_idle else self._inbox.get_nowait()
                if job is None:
                    return False
                self._waiting.append(job)
                is_idle = False
        except Empty:
            return True

    def _turn(self) -> None:
        self._waiting.sort(key=lambda job: job.urgency)
        self._attempt(self._next_windows(), self._encode)
        for job in [job for job in self._waiting if job.window is None]:
            self._attempt([job], self._begin)
        self._attempt(list(self._running.values()), self._advance)
        for search in list(self._searching):
            self._attempt([search], self._search)

    def _attempt(self, jobs: Sequence[AnyJob], step: Callable[[Sequence[AnyJob]], None]) -> None:
        """Let jobs take a step; where that fails, the error is their answer."""
        if not jobs:
            return
        try:
            step(jobs)
        except (RuntimeError, ValueError, IndexError, MemoryError) as error:  # torch's own are RuntimeErrors
            logger.error("torch failed jobs=%d error=%s", len(jobs), error)
            # The callers keep the error, and it its frames, whose tensors may be what the memory is full of.
            traceback.clear_frames(error.__traceback__)
            for job in jobs:
                self._fail(job, error)

    def _fail(self, job: AnyJob, error: Exception) -> None:
        if not job.answer.done():  # first, for a device that is lost cannot even stop
            job.answer.set_exception(error)
        self._forget(job)

    def _forget(self, job: AnyJob) -> None:
        if job in self._waiting:
            self._waiting.remove(job)
        if isinstance(job, Search):
            self._searching.pop(job, None)
        if self._running.get(job.slot) is job:
            del self._running[job.slot]
            self._device.stop(job.slot)

    def _next_windows(self) -> list[AnyJob]:
        """Return the jobs whose windows are encoded now: the most urgent one, and others of that length."""
        jobs = [job for job in self._waiting if job.window is not None]
        if not jobs or jobs[0].window is None:
            return []
        positions = jobs[0].window.positions
        same = [job for job in jobs if job.window is not None and job.window.positions == positions]
        return same[: max(1, ENCODED_POSITIONS // positions)]

    def _encode(self, jobs: Sequence[AnyJob]) -> None:
        windows = [job.window for job in jobs if job.window is not None]
        self._device.encode([job.slot for job in jobs], windows)
        for job in jobs:
            job.window = None

    def _begin(self, jobs: Sequence[AnyJob]) -> None:
        for job in jobs:
            match job:
                case Generate():
                    self._progress[job.slot] = self._device.begin(job.slot, job.start)
                    self._running[job.slot] = job
                case Search():
                    self._searching[job] = self._device.search(job.slot, job.start, job.beams)
                case Detect():
                    job.answer.set_result(self._device.detect(job.slot, job))
                case Align():
                    job.answer.set_result(self._device.align(job.slot, job))
            self._waiting.remove(job)

    def _advance(self, _jobs: Sequence[AnyJob]) -> None:
        """Let all texts in progress take a pass, and answer those that are complete."""
        is_random = any(job.start.temperature > 0 for job in self._running.values())
        self._device.advance([(slot, self._progress[slot]) for slot in self._running], is_random=is_random)
        progress = self._device.progress()
        complete = [slot for slot in self._running if not progress[slot].is_running]
        self._progress = {slot: progress[slot] for slot in self._running}
        if complete:
            for slot, finished in zip(complete, self._device.finished(complete), strict=True):
                _answer(self._running.pop(slot), finished)

    def _search(self, jobs: Sequence[AnyJob]) -> None:
        for job in jobs:
            assert isinstance(job, Search)
            finished = next(self._searching[job])
            if finished is not None:
                del self._searching[job]
                _answer(job, finished)


def _answer(job: Generate | Search, finished: Finished) -> None:
    if math.isnan(finished.logprob):
        job.answer.set_exception(RuntimeError("the model computed NaN: expected finite numbers"))
    else:
        job.answer.set_result(finished)
