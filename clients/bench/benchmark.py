"""Runs: streams of one load are played, measured, and held against the SLO."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import anyio
import msgspec

from clients.bench.endpoint import Conditions, StreamPlan
from clients.bench.load import Passage, plan_streams, split
from clients.bench.processes import run_in_processes
from clients.bench.reference import Reference
from clients.bench.result import Run, SloOutcome
from clients.bench.run import Progress, run_streams
from clients.bench.server_load import monitored, server_load
from clients.bench.targets import EndpointSpec, endpoint_of
from clients.bench.trace import StreamTrace

__all__ = ["Benchmark", "Judge", "Play", "Played", "Watch", "play_streams"]

Measure = Callable[[Sequence[StreamTrace], Mapping[str, Reference], Sequence[StreamTrace]], Run]
"""Returns the metrics of streams; the last argument has the same streams without a cut, if they were played."""

Play = Callable[[Sequence[StreamPlan], Conditions, "Watch"], Awaitable[list[StreamTrace]]]
"""Plays streams and returns what was observed of each."""


@dataclass(slots=True)
class Watch:
    """Who follows a benchmark, and may end it.

    Attributes:
        leaving: once it is set, the streams end their audio and wait for the rest of the answers, and no run follows.
        on_run: called before a run, with the number of its streams, its purpose, and their audio in seconds, summed.
        on_progress: called while streams play.
    """

    leaving: anyio.Event = field(default_factory=anyio.Event)
    on_run: Callable[[int, str, float], None] = lambda streams, purpose, audio_s: None
    on_progress: Callable[[Progress], None] = lambda progress: None


@dataclass(frozen=True, slots=True)
class Judge:
    """How runs are measured.

    Attributes:
        measure: returns the metrics.
        evaluate: holds them against the SLO.
        word_s: within which a word is displayed on time.
    """

    measure: Measure
    evaluate: Callable[[Run], Sequence[SloOutcome]]
    word_s: float


@dataclass(frozen=True, slots=True)
class Played:
    """A run and what was observed.

    Attributes:
        run: the metrics.
        traces: of its streams, by number.
    """

    run: Run
    traces: tuple[StreamTrace, ...]

    @property
    def is_met(self) -> bool:
        """Whether all streams were served to the end, within the SLO."""
        goodput = self.run.goodput
        is_served = not goodput.refused_streams and not goodput.failed_streams
        return is_served and all(outcome.met for outcome in self.run.slo)


class Benchmark:
    """Plays loads against one server.

    Args:
        play: plays streams.
        conditions: of all runs.
        judge: measures them.
        watch: follows them.
        pid: of the server, whose load is measured; None: it is not.
    """

    def __init__(self, play: Play, conditions: Conditions, judge: Judge, watch: Watch, pid: int | None = None) -> None:
        self.conditions = conditions
        self.judge = judge
        self.watch = watch
        self.runs: list[Run] = []
        """All runs, in order."""
        self.other_cores: list[float] = []
        """Cores busy with other processes in each run, where the system reports it."""
        self._play = play
        self._pid = pid

    async def load(
        self,
        passages: Sequence[Passage],
        references: Mapping[str, Reference],
        count: int,
        stagger_s: float = 1.0,
        purpose: str = "load",
    ) -> Played:
        """Play so many streams, and once more with cuts where the conditions have them; return the last run."""
        plans = plan_streams(passages, count, stagger_s)
        whole = replace(self.conditions, cut_every_s=None)
        played = await self.play(plans, references, whole, purpose)
        if self.conditions.cut_every_s is None or self.watch.leaving.is_set():
            return played
        return await self.play(plans, references, self.conditions, purpose, played.traces)

    async def play(
        self,
        plans: Sequence[StreamPlan],
        references: Mapping[str, Reference],
        conditions: Conditions,
        purpose: str,
        uncut: Sequence[StreamTrace] = (),
    ) -> Played:
        """Play planned streams, and measure them.

        Raises:
            NoSuchProcess: the server's pid is not there.
        """
        audio_s = sum(references[plan.recording].duration_s for plan in plans)
        self.watch.on_run(len(plans), purpose, audio_s)
        async with monitored(self._pid) as monitor:
            traces = await self._play(plans, conditions, self.watch)
        run = self.judge.measure(traces, references, uncut)
        run = msgspec.structs.replace(run, purpose=purpose, server_load=server_load(monitor, run.audio_s))
        run = msgspec.structs.replace(run, slo=tuple(self.judge.evaluate(run)))
        self.runs.append(run)
        if monitor.other_cores is not None:
            self.other_cores.append(monitor.other_cores)
        return Played(run, tuple(traces))


def play_streams(spec: EndpointSpec) -> Play:
    """Return what plays streams against a server: in this process, or in several if there are many."""

    async def play(plans: Sequence[StreamPlan], conditions: Conditions, watch: Watch) -> list[StreamTrace]:
        parts = split(plans)
        if len(parts) > 1:
            return await run_in_processes(parts, spec, conditions, watch.leaving, watch.on_progress)
        return await run_streams(plans, endpoint_of(spec), conditions, watch.leaving, watch.on_progress)

    return play
