"""All sinks of one session: a runner for each, the clock of its audio, and the status for its client."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio

from gateway.delivery.broadcast import Broadcast
from gateway.journal.journal import Journal
from gateway.sinks.feed import open_feed
from gateway.sinks.pacing import Pacing
from gateway.sinks.positions import Position, SinkPositions
from gateway.sinks.progress import SinkCounts, SinkProgress
from gateway.sinks.runner import SinkRun, SinkRunner
from gateway.sinks.session_clock import SessionClock
from gateway.sinks.sink import Item, SessionFacts, SinkTarget, kind_of
from gateway.wire.server_events import seq_of

__all__ = ["CLIENT_LABEL", "Report", "SessionSinks", "SinkServices"]

CLIENT_LABEL = "client"
"""Of all sinks that clients bring, in metrics: their names are unbounded."""

_STATUS_INTERVAL_S = 1.0
"""Between two statuses: soon enough for people, and a small part of a session's events."""

Report = Callable[[Sequence[SinkProgress]], None]
"""Sends the status of a session's sinks to its client."""


@dataclass(frozen=True, slots=True)
class SinkServices:
    """What the sinks of all sessions share.

    Attributes:
        journal: has the events that a sink has missed; None: no journal.
        counts: of what was sent and lost.
        pacing: their clock.
    """

    journal: Journal | None
    counts: SinkCounts
    pacing: Pacing


class SessionSinks:
    """Runs the sinks of one session until each has sent everything, or has failed.

    Args:
        session: whose captions they are.
        targets: where they go.
        services: shared by all sessions.
        broadcast: of the session; None: it is over.
        report: sends the status.
    """

    def __init__(
        self,
        session: SessionFacts,
        targets: Sequence[SinkTarget],
        services: SinkServices,
        broadcast: Broadcast | None,
        report: Report = lambda progress: None,
    ) -> None:
        self.session = session
        self.finished = anyio.Event()
        """Set once nothing is left to do."""
        self._services = services
        self._broadcast = broadcast
        self._report = report
        self._changed = anyio.Event()
        self._clock = SessionClock(session.opened_s, session.pad_after_s)
        positions = SinkPositions(services.journal)
        self._positions = positions
        self._runs = [self._run_of(target, positions) for target in targets]

    @property
    def progress(self) -> list[SinkProgress]:
        """How far each sink is."""
        return [run.progress for run in self._runs]

    @property
    def is_behind(self) -> bool:
        """Whether a sink that works has still something to send."""
        return any(run.progress.is_behind for run in self._runs)

    async def run(self) -> None:
        """Send everything. Raise nothing but cancellation."""
        kept = await self._positions.of_session(self.session.session_id)
        self._restore(kept)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._report_changes)
                async with anyio.create_task_group() as runners:
                    if self._broadcast is not None:
                        runners.start_soon(self._observe, self._broadcast)
                    for run in self._runs:
                        if not (run.target.name in kept and kept[run.target.name].is_done):
                            runners.start_soon(self._run_one, run)
                tasks.cancel_scope.cancel()
        finally:
            self.finished.set()
        self._report(self.progress)

    def _restore(self, kept: dict[str, Position]) -> None:
        for run in self._runs:
            position = kept.get(run.target.name, Position())
            run.progress.restore(position.acknowledged, position.sent)
            if position.origin_s is not None:
                self._clock.restore(position.origin_s)

    async def _run_one(self, run: SinkRun) -> None:
        journal, after = self._services.journal, run.progress.acknowledged
        with open_feed(self.session.session_id, journal, self._broadcast, after) as feed:
            await SinkRunner(run, feed).run()

    async def _observe(self, broadcast: Broadcast) -> None:
        """Note when events are emitted: a runner gets them later, if its sink is slow."""
        with broadcast.subscribe(0, is_counted=False) as viewer:
            while (event := await viewer.live.get()) is not None:
                now_s = self._services.pacing.clock()
                self._clock.observe(event, now_s)
                for run in self._runs:
                    item = run.takes(event)
                    if item is not None and item is not Item.PARTIAL:
                        run.progress.published(seq_of(event) or 0, now_s)

    async def _report_changes(self) -> None:
        while True:
            self._changed = anyio.Event()
            self._report(self.progress)
            await self._services.pacing.sleep(_STATUS_INTERVAL_S)
            await self._changed.wait()

    def _on_change(self) -> None:
        self._changed.set()

    def _run_of(self, target: SinkTarget, positions: SinkPositions) -> SinkRun:
        label = CLIENT_LABEL if target.is_clients else target.name
        progress = SinkProgress(target.name, self._services.counts, label, self._on_change)
        kind, pacing = kind_of(target.kind), self._services.pacing
        return SinkRun(self.session, target, kind, progress, self._clock, positions, pacing)
