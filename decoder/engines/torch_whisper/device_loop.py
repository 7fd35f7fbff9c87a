"""The loop that owns a device: the requests of all sessions are encoded and decoded together, step by step."""

import logging
import math
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

MOST_FAILURES = 3
"""Failures of the loop as a whole, without an answer in between, after which it ends: a device that is lost to the
process cannot be reset, and each attempt to warm it up takes seconds."""

LOST = "CUDA error"
"""What errors say after which nothing can be computed on the device; out of memory is none of them."""

AnyJob = Generate | Search | Detect | Align


class DeviceLoop:
    """A thread that has a device to itself. `submit` may be called from any thread.

    A turn: take in what was submitted, encode the most urgent windows of one length, begin their texts, let all texts
    take a pass, answer those that are complete. Nothing waits for a batch to fill, and no text for another's
    end. What fails is answered with its error, and the loop goes on.

    | state | `submit` | entered when | all jobs in flight |
    |---|---|---|---|
    | starting | is served later | it is created | – |
    | running | is served | the device is warm | – |
    | restarting | raises | a turn, or warming up, fails as a whole | are answered with the error |
    | ended | raises | it is closed, or fails in a row too often, as a device does that is lost | the same |
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
        self._refusal: str | None = None  # why it does not serve; None: it does
        self._is_closing = False
        self._lock = threading.Lock()  # of the two above, so that no job is left in the inbox
        self._failures = 0  # in a row, of the loop as a whole
        self._thread = threading.Thread(target=self._run, name="livecue-torch", daemon=True)
        self._thread.start()

    @property
    def is_usable(self) -> bool:
        """Whether a job submitted now is served."""
        return self._refusal is None

    def submit(self, job: AnyJob) -> None:
        """Let a job be computed; no other of its slot may be in flight.

        Raises:
            RuntimeError: the loop is restarting, or has ended.
        """
        with self._lock:
            if self._refusal is not None:
                raise RuntimeError(self._refusal)
            self._inbox.put(job)

    def close(self) -> None:
        """End the loop; no job may be in flight. May be called again."""
        with self._lock:
            self._is_closing = True
            self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        while not self._is_closing and self._failures < MOST_FAILURES:
            try:
                with torch.inference_mode(), self._device.entered():
                    self._serve()
                self._abandon("the engine's loop has ended: it was closed")
            except Exception as error:  # whatever it was, nobody may wait for a thread that has died
                self._failures += 1
                what = "is restarting" if self._failures < MOST_FAILURES else "has ended"
                logger.exception("torch loop %s failures=%d", what, self._failures)
                self._abandon(f"the engine's loop {what}: {error}")
                traceback.clear_frames(error.__traceback__)  # whose tensors may be what the memory is full of

    def _serve(self) -> None:
        """Warm the device up, and serve until the loop is closed."""
        if self._failures:
            self._device.reset()
        self._device.warm_up()
        self._refusal = None
        while self._take_in():
            self._turn()

    def _abandon(self, reason: str) -> None:
        """Answer all jobs with an error, and refuse further ones."""
        with self._lock:
            self._refusal = reason
            with suppress(Empty):
                while True:
                    job = self._inbox.get_nowait()
                    if job is not None:
                        self._waiting.append(job)
        for job in [*self._waiting, *self._running.values(), *self._searching]:
            if not job.answer.done():
                job.answer.set_exception(RuntimeError(reason))
        for state in (self._waiting, self._running, self._progress, self._searching):
            state.clear()

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
            if LOST in str(error):
                raise

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
                self._answer(self._running.pop(slot), finished)

    def _search(self, jobs: Sequence[AnyJob]) -> None:
        for job in jobs:
            assert isinstance(job, Search)
            finished = next(self._searching[job])
            if finished is not None:
                del self._searching[job]
                self._answer(job, finished)

    def _answer(self, job: Generate | Search, finished: Finished) -> None:
        if math.isnan(finished.logprob):
            job.answer.set_exception(RuntimeError("the model computed NaN: expected finite numbers"))
        else:
            self._failures = 0
            job.answer.set_result(finished)
