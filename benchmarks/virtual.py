"""Sessions on a virtual clock: audio arrives frame by frame, and a decode takes as long as a cost model says.

The pipelines, the planner and the engine are real; only the clock is simulated. So the same audio gives the same
batches, requests and captions in every run, however busy the machine is.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from decoder.engine import Engine
from decoder.engines.scripted import CostModel
from decoder.planner import Planner
from decoder.scheduler import Answer
from decoder.types import DecodeRequest, EngineBusy, EngineError, Hypothesis, RequestKind, RequestReplaced
from gateway.session.pipeline import Effect, Pipeline
from gateway.session.stage_options import PipelineSettings
from gateway.settings import Settings
from gateway.wire import ServerEvent, Start

__all__ = ["TimedEvents", "VirtualGateway"]


@dataclass(frozen=True, slots=True)
class TimedEvents:
    """Events of a session at one moment: those caused by one frame or one answer.

    Attributes:
        at_s: time since the first sample of the session's audio.
        events: oldest first.
    """

    at_s: float
    events: tuple[ServerEvent, ...]


@dataclass(slots=True)
class _Session:
    pipeline: Pipeline
    audio: bytes
    moments: list[TimedEvents] = field(default_factory=list)
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch being decoded: its outcomes are delivered at `done_s`."""

    started_s: float
    done_s: float
    outcomes: tuple[tuple[DecodeRequest, Hypothesis | EngineBusy], ...]


class VirtualGateway:
    """Serves sessions that start together and receive one frame each per step.

    A frame arrives at the time of its last sample. The engine decodes one batch at a time and takes as long as
    the cost model says; at no cost every request is answered before the next frame.

    Args:
        engine: warm.
        settings: of the gateway.
        start: options of every client.
        audio: of each session, in the format of `start`.
        frame_s: audio in a frame.
        cost: of a batch.
        on_events: called with the events of any session; they are not kept then, which bounds the memory of long runs.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        start: Start,
        audio: Sequence[bytes],
        *,
        frame_s: float = 0.1,
        cost: CostModel | None = None,
        on_events: Callable[[TimedEvents], None] | None = None,
    ) -> None:
        self.cpu_s = 0.0
        """CPU time of this process while the engine decoded."""
        self.requests: Counter[RequestKind] = Counter()
        """Requests decoded."""
        self._engine = engine
        self._planner = Planner(settings.planner, engine.max_batch)
        self._cost = cost or CostModel()
        self._on_events = on_events
        self._frame_s = frame_s
        self._frame_bytes = round(start.audio.sample_rate_hz * frame_s) * start.audio.bytes_per_sample_frame
        self._now_s = 0.0
        self._frames = 0
        self._batch: _Batch | None = None
        self._submitted_s: dict[DecodeRequest, float] = {}
        pipeline = PipelineSettings(settings.segmenter, settings.stabiliser, settings.guard, settings.session)
        self._sessions = {
            name: _Session(Pipeline(name, start, pipeline, engine.info), data)
            for name, data in ((f"session-{number}", data) for number, data in enumerate(audio))
        }

    @property
    def moments(self) -> list[list[TimedEvents]]:
        """Events of each session so far."""
        return [session.moments for session in self._sessions.values()]

    async def run(self) -> list[list[TimedEvents]]:
        """Play all audio, and return the events of each session."""
        while await self.step():
            pass
        return self.moments

    async def step(self) -> bool:
        """Push one frame of each session, and return whether more follow; after the last, all requests are answered."""
        start, end = self._frames * self._frame_bytes, (self._frames + 1) * self._frame_bytes
        self._frames += 1
        due_s = self._frames * self._frame_s
        await self._decode_until(due_s)
        self._now_s = due_s
        for session in self._sessions.values():
            if session.is_open:
                self._apply(session, session.pipeline.push_audio(session.audio[start:end], due_s))
                if end >= len(session.audio):
                    session.is_open = False
                    self._apply(session, session.pipeline.stop(due_s))
        has_more = any(session.is_open for session in self._sessions.values())
        await self._decode_until(due_s if has_more else inf)
        if not has_more:
            for name in self._sessions:
                self._engine.forget(name)
        return has_more

    async def _decode_until(self, limit_s: float) -> None:
        while True:
            self._batch = self._batch or await self._next_batch()
            if self._batch is None or self._batch.done_s > limit_s:
                return
            batch, self._batch = self._batch, None
            self._now_s = batch.done_s
            decode_s = batch.done_s - batch.started_s
            for request, outcome in batch.outcomes:
                queue_s = batch.started_s - self._submitted_s.pop(request)
                self._answer(Answer(request, outcome, queue_s, decode_s, self._now_s))

    async def _next_batch(self) -> _Batch | None:
        requests = self._planner.next_batch(self._now_s)
        if not requests:
            return None
        began_s = time.process_time()
        outcomes = await self._engine.decode(requests)
        self.cpu_s += time.process_time() - began_s
        self.requests.update(request.kind for request in requests)
        answered = tuple(zip(requests, map(_words, outcomes), strict=True))
        return _Batch(self._now_s, self._now_s + self._cost.seconds(requests), answered)

    def _answer(self, answer: Answer) -> None:
        session = self._sessions[answer.request.session_id]
        self._apply(session, session.pipeline.answer(answer, self._now_s))

    def _apply(self, session: _Session, effects: Sequence[Effect]) -> None:
        events = tuple(effect for effect in effects if not isinstance(effect, DecodeRequest))
        if events:
            publish = self._on_events or session.moments.append
            publish(TimedEvents(self._now_s, events))
        for effect in effects:
            if isinstance(effect, DecodeRequest):
                self._submit(effect)

    def _submit(self, request: DecodeRequest) -> None:
        self._submitted_s[request] = self._now_s
        replaced = self._planner.add(request, self._now_s)
        if replaced is not None:
            queue_s = self._now_s - self._submitted_s.pop(replaced)
            self._answer(Answer(replaced, RequestReplaced("superseded by a newer request"), queue_s, 0.0, self._now_s))


def _words(outcome: Hypothesis | EngineError) -> Hypothesis | EngineBusy:
    if isinstance(outcome, Hypothesis | EngineBusy):  # an engine may skip a partial
        return outcome
    raise outcome  # failures would invalidate the benchmark
