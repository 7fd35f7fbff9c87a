"""Schedules the requests of all sessions on one engine: exactly one answer per request."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from decoder.engine import Engine
from decoder.planner import Planner
from decoder.real_time_factor import RealTimeFactor
from decoder.settings import PlannerSettings, SchedulerSettings
from decoder.types import (
    DecodeRequest,
    EngineBusy,
    EngineError,
    EngineFailed,
    EngineTimeout,
    Hypothesis,
    RequestCancelled,
    RequestKind,
    RequestReplaced,
)
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["Answer", "Scheduler", "SchedulerStatistics"]

logger = logging.getLogger("livecue.scheduler")


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The answer to a request.

    Attributes:
        request: the request answered.
        outcome: the hypothesis, or the error.
        queue_s: time in the queue, in seconds.
        decode_s: decode time of its batch, in seconds.
        answered_s: time of the answer, on the scheduler's clock.
    """

    request: DecodeRequest
    outcome: Hypothesis | EngineError
    queue_s: float
    decode_s: float
    answered_s: float


@dataclass(slots=True)
class SchedulerStatistics:
    """Counts since the start.

    Attributes:
        batches: batches decoded, failed ones included.
        requests: requests in these batches.
        busy_of_s: decode time summed over the batches, in seconds, by the kind of their first request: two concurrent
            batches count twice. Eager finals and finals share batches; partials and files have their own.
        audio_s: audio in these batches by kind of request, in seconds: audio decoded twice counts twice.
        real_time_factor: of the last batches.
        outcomes: answers by kind and outcome (`ok` or the error's code).
        failed_in_a_row: latest consecutive batches without a single hypothesis; those rejected as busy do not count.
    """

    batches: int = 0
    requests: int = 0
    busy_of_s: defaultdict[RequestKind, float] = field(default_factory=lambda: defaultdict(float))
    audio_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    real_time_factor: RealTimeFactor = field(default_factory=RealTimeFactor)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed_in_a_row: int = 0

    @property
    def busy_s(self) -> float:
        """Decode time of all batches, in seconds."""
        return sum(self.busy_of_s.values())

    def count(self, batch: Sequence[DecodeRequest], decode_s: float, now_s: float) -> None:
        """Count a batch that has been decoded."""
        self.batches += 1
        self.requests += len(batch)
        self.busy_of_s[batch[0].kind] += decode_s
        for request in batch:
            self.audio_s[request.kind] += len(request.samples) / SAMPLE_RATE_HZ
        audio_s = sum(len(request.samples) for request in batch) / SAMPLE_RATE_HZ
        self.real_time_factor.record(decode_s, audio_s, now_s)


_Batch = tuple[DecodeRequest, ...]
_Deliver = Callable[[Answer], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Submitted:
    deliver: _Deliver
    at_s: float


class Scheduler:
    """Decodes up to `Engine.parallel` batches at a time; none is delayed to wait for more requests.

    A session's requests are decoded one batch after the other: a later one may use state that the engine keeps from an
    earlier one, and the answers arrive in order.

    The queue holds at most one request per utterance (`Planner`), so its bound is the number of utterances in flight:
    sessions times the finals a session may have outstanding, which the session's lag limit bounds.
    """

    def __init__(
        self,
        engine: Engine,
        planner_settings: PlannerSettings,
        settings: SchedulerSettings,
        clock: Callable[[], float],
    ) -> None:
        self.statistics = SchedulerStatistics()
        self._engine = engine
        self._planner = Planner(planner_settings, engine.max_batch)
        self._settings = settings
        self._clock = clock
        self._submitted: dict[DecodeRequest, _Submitted] = {}
        self._decoding: set[_Batch] = set()
        self._changed = anyio.Event()
        self._running = False
        self._is_pausing_files = False

    @property
    def slots(self) -> int:
        """Number of batches that the engine decodes at once."""
        return self._engine.parallel

    @property
    def is_ready(self) -> bool:
        """Whether the scheduler is running, and the engine is usable and not failing persistently."""
        is_usable = self._engine.info.is_usable
        return (
            self._running
            and (is_usable is None or is_usable())
            and self.statistics.failed_in_a_row < self._settings.failures_until_unready
        )

    @property
    def waiting(self) -> int:
        """Number of queued requests."""
        return len(self._planner)

    def pause_files(self, *, is_paused: bool) -> None:
        """Keep requests of files in the queue, until the pause is over."""
        self._is_pausing_files = is_paused
        self._changed.set()

    def now_s(self) -> float:
        """Return the time on this scheduler's clock."""
        return self._clock()

    def submit(self, request: DecodeRequest, deliver: _Deliver) -> None:
        """Queue a request.

        Args:
            request: the request; `deadline_s` is on this scheduler's clock.
            deliver: called exactly once, with the answer, on the event loop; it must neither block nor raise.
        """
        now_s = self._clock()
        self._submitted[request] = _Submitted(deliver, now_s)
        replaced = self._planner.add(request, now_s)
        if replaced is not None:
            self._answer(replaced, RequestReplaced(f"revision {replaced.revision} superseded by a newer request"))
        self._changed.set()

    def forget(self, session_id: str) -> None:
        """Cancel a session's queued requests with `RequestCancelled`, and discard the engine's state for it."""
        for request in self._planner.cancel(session_id):
            self._answer(request, RequestCancelled("the session has ended"))
        self._engine.forget(session_id)

    async def run(self) -> None:
        """Decode until cancelled; outstanding requests are then answered with `RequestCancelled`."""
        self._running = True
        try:
            async with anyio.create_task_group() as tasks:
                while True:
                    self._start_batches(tasks)
                    self._changed = anyio.Event()
                    await self._changed.wait()
        except BaseExceptionGroup as group:  # only a bug of ours raises here, and it cancels the other batches
            raise group.exceptions[0] from None
        finally:
            self._running = False
            self._decoding.clear()
            for request in tuple(self._submitted):
                self._answer(request, RequestCancelled("the gateway is closing"))

    def _start_batches(self, tasks: TaskGroup) -> None:
        while True:
            live, files = self._room()
            if not live and not files:
                return
            busy_sessions = {request.session_id for batch in self._decoding for request in batch}
            batch = self._planner.next_batch(self._clock(), busy_sessions, live=live, files=files)
            if not batch:
                return
            self._decoding.add(batch)
            tasks.start_soon(self._serve, batch)

    def _room(self) -> tuple[bool, bool]:
        """Return whether there is room for another live batch, and for another of files.

        With more than one slot, files leave one free for the next live request.
        """
        parallel = self._engine.parallel
        of_files = sum(batch[0].kind is RequestKind.FILE for batch in self._decoding)
        live = len(self._decoding) < parallel
        return live, live and not self._is_pausing_files and of_files < max(1, parallel - 1)

    async def _serve(self, batch: _Batch) -> None:
        started_s = self._clock()
        outcomes = await self._decode(batch)
        ended_s = self._clock()
        decode_s = ended_s - started_s
        self._decoding.remove(batch)
        self._changed.set()
        has_words = any(isinstance(outcome, Hypothesis) for outcome in outcomes)
        statistics = self.statistics
        statistics.count(batch, decode_s, ended_s)
        if has_words:
            statistics.failed_in_a_row = 0
        elif not all(isinstance(outcome, EngineBusy) for outcome in outcomes):
            statistics.failed_in_a_row += 1
        for request, outcome in zip(batch, outcomes, strict=True):
            self._answer(request, outcome, decode_s)

    async def _decode(self, batch: _Batch) -> Sequence[Hypothesis | EngineError]:
        is_file = batch[0].kind is RequestKind.FILE
        timeout_s = self._settings.file_timeout_s if is_file else self._settings.decode_timeout_s
        try:
            with anyio.fail_after(timeout_s):
                outcomes = await self._engine.decode(batch)
        except TimeoutError:
            logger.error("engine timed out requests=%d timeout_s=%g", len(batch), timeout_s)
            return [EngineTimeout(f"no answer within {timeout_s:g} s")] * len(batch)
        except EngineError as error:
            return [error] * len(batch)
        except Exception as error:  # one engine failure must not end the loop that serves all sessions
            logger.exception("engine failed requests=%d", len(batch))
            return [EngineFailed(f"the engine raised {type(error).__name__}")] * len(batch)
        if len(outcomes) != len(batch):
            logger.error("engine returned %d answers to %d requests", len(outcomes), len(batch))
            return [EngineFailed(f"the engine returned {len(outcomes)} answers to {len(batch)} requests")] * len(batch)
        return [_checked(request, outcome) for request, outcome in zip(batch, outcomes, strict=True)]

    def _answer(self, request: DecodeRequest, outcome: Hypothesis | EngineError, decode_s: float = 0.0) -> None:
        submitted = self._submitted.pop(request)
        answered_s = self._clock()
        self.statistics.outcomes[request.kind, outcome.code if isinstance(outcome, EngineError) else "ok"] += 1
        queue_s = max(0.0, answered_s - submitted.at_s - decode_s)
        submitted.deliver(Answer(request, outcome, queue_s, decode_s, answered_s))


def _checked(request: DecodeRequest, outcome: Hypothesis | EngineError) -> Hypothesis | EngineError:
    """Return the outcome if it belongs to the request: no session may receive another's words."""
    if isinstance(outcome, EngineError):
        return outcome
    requested = (request.session_id, request.utterance_id, request.revision)
    if (outcome.session_id, outcome.utterance_id, outcome.revision) == requested:
        return outcome
    return EngineFailed("the engine answered a different request")
