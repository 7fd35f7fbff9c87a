"""How many streams of continuous speech an engine on a GPU keeps up with.

Open loop: each stream asks for a partial every `cadence_s` and for a final after 8 s of speech, when the next utterance
begins at once, whether the engine keeps up or not; streams are at different places of their utterances. The scheduler,
its planner and the engine are the real ones, so that a newer partial replaces a queued one.

*Shown* is how late a word comes: from the moment at which a partial was due until the first answer to it or to a newer
one of its utterance, and half of the cadence, which a word waits for its partial on average. *Final* is from the moment
at which a final was due until its answer. A count of streams passes with p95 shown ≤ 1.5 s and p95 final ≤ 0.5 s.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio
import anyio.to_thread
import numpy as np

from benchmarks.bisection import Bisection
from benchmarks.percentile import percentile
from decoder.engine import Engine
from decoder.scheduler import Answer, Scheduler
from decoder.settings import PlannerSettings, SchedulerSettings
from decoder.types import DecodeRequest, Hypothesis, RequestKind, RequestReplaced
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["Arrival", "Lags", "Load", "StreamFigures", "arrivals", "measure_streams", "most_streams"]

UTTERANCE_S = 8.0

SHOWN_LIMIT_S = 1.5
FINAL_LIMIT_S = 0.5

WARM_S = 1.5
"""At the start of a run, of which nothing is measured: all queues are empty then."""

DRAIN_S = 3.0
"""After the last request; whoever is not answered by then is late without a limit."""

SPREAD = 0.6180339887
"""Streams are this part of an utterance apart, round and round: no two are at one place (the golden ratio)."""

LEVEL = 0.1
"""Of the noise that stands for speech; what is decoded does not depend on it."""


@dataclass(frozen=True, slots=True)
class Load:
    """Streams at once.

    Attributes:
        streams: how many.
        cadence_s: new speech between two partials.
        seconds: of the run.
    """

    streams: int
    cadence_s: float
    seconds: float


@dataclass(frozen=True, slots=True, order=True)
class Arrival:
    """A request that is due.

    Attributes:
        at_s: after the start of the run.
        stream: whose.
        utterance: of the stream, 0, 1 …
        revision: of the utterance, 1, 2 …
        audio_s: of the utterance so far.
        is_final: whether the utterance ends with it.
    """

    at_s: float
    stream: int
    utterance: int
    revision: int
    audio_s: float
    is_final: bool


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """So many streams at once; seconds, None where there was nothing to measure.

    Attributes:
        streams: at once.
        cadence_s: new speech between two partials.
        shown_p50_s, shown_p95_s: how late a word comes.
        final_p50_s, final_p95_s: how late a final comes.
        superseded: share of the partials that a newer request replaced in the queue.
        failed: requests without an answer, replaced ones aside.
        late_p95_s: how late requests were submitted; lags count from when they were due.
        host_share: CPU seconds of this process for a second of the run: 1 is a core.
        gpu_busy: share of the last moments, in the middle of the run, in which a kernel ran.
    """

    streams: int
    cadence_s: float
    shown_p50_s: float | None
    shown_p95_s: float | None
    final_p50_s: float | None
    final_p95_s: float | None
    superseded: float
    failed: int
    late_p95_s: float | None
    host_share: float
    gpu_busy: float | None

    @property
    def keeps_up(self) -> bool:
        """Whether words and finals come soon enough."""
        shown_s, final_s = self.shown_p95_s, self.final_p95_s
        return (
            not self.failed
            and (shown_s is not None and shown_s <= SHOWN_LIMIT_S)
            and (final_s is None or final_s <= FINAL_LIMIT_S)
        )


def arrivals(load: Load) -> list[Arrival]:
    """Return the requests of a run, in the order in which they are due. PURE."""
    steps = round(UTTERANCE_S / load.cadence_s)
    due = (
        Arrival(begun_s + step * load.cadence_s, stream, utterance, step, step * load.cadence_s, step == steps)
        for stream in range(load.streams)
        for utterance, begun_s in _utterances(stream, load.seconds)
        for step in range(1, steps + 1)
    )
    return sorted(arrival for arrival in due if 0 <= arrival.at_s < load.seconds)


def _utterances(stream: int, seconds: float) -> Iterator[tuple[int, float]]:
    begun_s, utterance = -UTTERANCE_S * (stream * SPREAD % 1), 0
    while begun_s < seconds:
        yield utterance, begun_s
        begun_s, utterance = begun_s + UTTERANCE_S, utterance + 1


@dataclass(slots=True)
class Lags:
    """What was answered how late. PURE.

    Args:
        cadence_s: new speech between two partials.
        warm_s: what was due before this is not measured.
    """

    cadence_s: float
    warm_s: float = 0.0
    shown_s: list[float] = field(default_factory=list)
    finals_s: list[float] = field(default_factory=list)
    partials: int = 0
    superseded: int = 0
    failed: int = 0
    _waiting: dict[tuple[int, int], list[Arrival]] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """How many requests are not answered."""
        return sum(map(len, self._waiting.values()))

    def submitted(self, arrival: Arrival) -> None:
        """Take in a request."""
        self._waiting.setdefault((arrival.stream, arrival.utterance), []).append(arrival)
        self.partials += not arrival.is_final

    def answered(self, arrival: Arrival, at_s: float) -> None:
        """Take in an answer: it shows the words of all older requests of its utterance, too."""
        key = (arrival.stream, arrival.utterance)
        waiting = self._waiting.pop(key, [])
        newer = [other for other in waiting if other.revision > arrival.revision]
        if newer:
            self._waiting[key] = newer
        for shown in waiting:
            if shown.revision > arrival.revision or shown.at_s < self.warm_s:
                continue
            if shown.is_final:
                self.finals_s.append(at_s - shown.at_s)
            else:
                self.shown_s.append(at_s - shown.at_s + self.cadence_s / 2)

    def end(self, at_s: float) -> None:
        """Take in that the run is over: what is not answered is late by so much at least, and failed."""
        self.failed += self.waiting
        for waiting in list(self._waiting.values()):
            self.answered(waiting[-1], at_s)


async def measure_streams(engine: Engine, load: Load) -> StreamFigures:
    """Return how late the words and the finals of streams come.

    Args:
        engine: warm.
        load: of the run.
    """
    scheduler = Scheduler(engine, PlannerSettings(), SchedulerSettings(), time.perf_counter)
    run = _Run(scheduler, load)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(scheduler.run)
        figures = await run.play()
        tasks.cancel_scope.cancel()
    for stream in range(load.streams):
        engine.forget(_session(stream))
    return figures


async def most_streams(engine: Engine, first: Load, probes: int) -> list[StreamFigures]:
    """Return the figures of each count that was tried, the last of those that keep up being the most.

    Args:
        engine: warm.
        first: the first to be tried.
        probes: most counts that are tried.
    """
    search = Bisection(first.streams, probes)
    tried = []
    while search.count is not None:
        figures = await measure_streams(engine, Load(search.count, first.cadence_s, first.seconds))
        tried.append(figures)
        search.note(has_passed=figures.keeps_up)
    return tried


class _Run:
    """One run of paced streams."""

    def __init__(self, scheduler: Scheduler, load: Load) -> None:
        self._scheduler = scheduler
        self._load = load
        self._lags = Lags(load.cadence_s, min(WARM_S, load.seconds / 3))
        self._late_s: list[float] = []
        self._audio = _noise()
        self._began_s = 0.0
        self._answered = anyio.Event()

    async def play(self) -> StreamFigures:
        self._began_s = self._scheduler.now_s()
        cpu_s = time.process_time()
        async with anyio.create_task_group() as tasks:
            busy: list[float | None] = []
            tasks.start_soon(self._look, busy)
            for arrival in arrivals(self._load):
                await anyio.sleep(max(0.0, arrival.at_s - self._now_s()))
                self._submit(arrival)
            cpu_s = time.process_time() - cpu_s
            wall_s = self._now_s()
            with anyio.move_on_after(DRAIN_S):
                while self._lags.waiting:
                    self._answered = anyio.Event()
                    await self._answered.wait()
        self._lags.end(self._now_s())
        return self._figures(cpu_s / wall_s, busy[0])

    async def _look(self, busy: list[float | None]) -> None:
        await anyio.sleep(self._load.seconds / 2)
        busy.append(await anyio.to_thread.run_sync(_gpu_busy))

    def _submit(self, arrival: Arrival) -> None:
        self._lags.submitted(arrival)
        self._late_s.append(self._now_s() - arrival.at_s)
        self._scheduler.submit(self._request(arrival), partial(self._note, arrival))

    def _request(self, arrival: Arrival) -> DecodeRequest:
        return DecodeRequest(
            _session(arrival.stream),
            arrival.utterance,
            arrival.revision,
            RequestKind.FINAL if arrival.is_final else RequestKind.PARTIAL,
            self._audio[: round(arrival.audio_s * SAMPLE_RATE_HZ)],
            0,
            self._began_s + arrival.at_s + self._load.cadence_s,
            language="en",
            ends_in_speech=not arrival.is_final,
        )

    def _note(self, arrival: Arrival, answer: Answer) -> None:
        if isinstance(answer.outcome, Hypothesis):
            self._lags.answered(arrival, answer.answered_s - self._began_s)
        elif isinstance(answer.outcome, RequestReplaced):
            self._lags.superseded += 1
        else:
            self._lags.failed += 1
        self._answered.set()

    def _now_s(self) -> float:
        return self._scheduler.now_s() - self._began_s

    def _figures(self, host_share: float, gpu_busy: float | None) -> StreamFigures:
        lags = self._lags
        return StreamFigures(
            self._load.streams,
            self._load.cadence_s,
            percentile(lags.shown_s, 50),
            percentile(lags.shown_s, 95),
            percentile(lags.finals_s, 50),
            percentile(lags.finals_s, 95),
            lags.superseded / max(1, lags.partials),
            lags.failed,
            percentile(self._late_s, 95),
            host_share,
            gpu_busy,
        )


def _session(stream: int) -> str:
    return f"stream-{stream}"


def _noise() -> Float32:
    samples = np.random.default_rng(0).standard_normal(round(UTTERANCE_S * SAMPLE_RATE_HZ), dtype=np.float32)
    noise: Float32 = np.clip(LEVEL * samples, -1, 1)
    return noise


def _gpu_busy() -> float | None:
    """Return the share of the last moments in which a kernel ran, as nvidia-smi shows it; None without it."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command: Sequence[str] = (program, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603
    return int(shown[0]) / 100 if shown and shown[0].isdigit() else None
