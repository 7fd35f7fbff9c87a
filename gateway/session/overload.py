"""Measures the load of a gateway, climbs its overload ladder, and reports to admission how much room is left."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import anyio

from decoder.scheduler import Scheduler
from decoder.types import RequestKind
from gateway.errors import FilesPaused, Lagging
from gateway.limit_settings import LimitSettings
from gateway.load.estimator import EngineTime, LoadEstimator, StreamSample
from gateway.load.ladder import Ladder, Pressure, Step, Thresholds, upper_quartile
from gateway.settings import SessionSettings
from vad.audio import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from gateway.session.assembly import SessionParts
    from gateway.session.session import Session

__all__ = ["Overload"]

_INTERVAL_S = 0.5
"""Between two observations: an eighth of the lag of the first step."""

_ADMITTED_STRETCH = 2.0
"""Partials at half their rate are the worst that a new session may bring about: users notice them."""

_NOTICE_S = 5.0
"""Time for a warned session to catch up. As long passes between two that end, so that the effect of the first shows."""

_MESSAGES = {
    Step.NORMAL: "the gateway is no longer overloaded",
    Step.STRETCHED: "the gateway is under load: partials come at half their rate or less",
    Step.PARTIALS_OFF: "the gateway is overloaded: only finals are sent",
    Step.FILES_PAUSED: "the gateway is overloaded: only finals are sent, and files wait",
    Step.SESSIONS_REFUSED: "the gateway is overloaded: only finals are sent, files wait, and new sessions are refused",
    Step.SHEDDING: "the gateway is overloaded: sessions that are furthest behind are ended, each after a warning",
}


class Overload:
    """The load of one gateway, and the step of the ladder that it is at.

    Args:
        session: lags of the steps, and the lowest rate of partials.
        limits: the load up to which sessions are admitted.
    """

    def __init__(self, session: SessionSettings | None = None, limits: LimitSettings | None = None) -> None:
        session, limits = session or SessionSettings(), limits or LimitSettings()
        self.entered: Counter[Step] = Counter()
        """How often each step was reached."""
        self.shed = 0
        """Sessions that were ended."""
        self._max_stretch = session.max_partial_stretch
        self._thresholds = Thresholds(session.lag_shed_s, session.lag_limit_s, limits.target_load)
        self._ladder = Ladder(self._thresholds)
        self._estimator = LoadEstimator(limits.target_load, _ADMITTED_STRETCH)
        self._observed_s: float | None = None
        self._spent = EngineTime()
        self._ended: list[SessionParts] = []
        """Of sessions that have ended since the last observation."""
        self._warned: tuple[Session, float] | None = None
        """The session that ends next, and when it was warned."""

    @property
    def step(self) -> Step:
        """The current step."""
        return self._ladder.step

    def load(self, streams: int) -> float:
        """Return the forecast load, with partials at half their rate; 0 while the cost of a stream is unknown.

        Args:
            streams: connected now.
        """
        return self._estimator.admitted_load(streams)

    def free(self, streams: int) -> int | None:
        """Return how many more sessions the engine holds, ≥ 0; None: unknown.

        Args:
            streams: connected now.
        """
        return 0 if self.step >= Step.SESSIONS_REFUSED else self._estimator.free(streams)

    def check_files(self) -> None:
        """Check that another file may begin.

        Raises:
            FilesPaused: live sessions are behind.
        """
        if self.step >= Step.FILES_PAUSED:
            raise FilesPaused("live sessions are behind: files are accepted again once they have caught up")

    async def run(self, scheduler: Scheduler, sessions: "Iterable[Session]") -> None:
        """Observe the gateway until cancelled.

        Args:
            scheduler: of the engine.
            sessions: iterates over those present.
        """
        while True:
            await anyio.sleep(_INTERVAL_S)
            self.observe(scheduler, sessions)

    def observe(self, scheduler: Scheduler, sessions: "Iterable[Session]") -> None:
        """Measure what has happened since the last call, and take the steps that follow from it.

        Args:
            scheduler: of the engine.
            sessions: all that are present.
        """
        now_s, live = scheduler.now_s(), [session for session in sessions if _is_live(session)]
        self._measure(now_s, scheduler, live)
        before = self.step
        self._ladder.observe(now_s, self._pressure(live))
        if self.step is not before:
            self.entered[self.step] += 1
            scheduler.pause_files(is_paused=self.step >= Step.FILES_PAUSED)
            for session in sessions:
                self.announce(session)
        self._shed(now_s, live)

    def greet(self, session: "Session") -> None:
        """Announce the current step to a new session, unless the gateway is not overloaded."""
        if self.step is not Step.NORMAL:
            self.announce(session)

    def leave(self, session: "Session") -> None:
        """Count the audio of a session that has ended."""
        if not session.parts.is_file:
            self._ended.append(session.parts)

    def announce(self, session: "Session") -> None:
        """Let a session follow the ladder, and warn its client."""
        session.parts.driver.adapt(self.step)
        session.parts.output.log.append_warning(self.step.code, _MESSAGES[self.step])

    def _measure(self, now_s: float, scheduler: Scheduler, live: "list[Session]") -> None:
        spent = _engine_time(scheduler)
        if self._observed_s is not None and now_s > self._observed_s:
            streams = [
                *(_sample(session.parts) for session in live),
                *(_sample(parts, has_ended=True) for parts in self._ended),
            ]
            finals_s, partials_s = spent.finals_s - self._spent.finals_s, spent.partials_s - self._spent.partials_s
            since = EngineTime(finals_s / scheduler.slots, partials_s / scheduler.slots)
            has_partials = self.step < Step.PARTIALS_OFF
            self._estimator.observe(now_s - self._observed_s, streams, since, has_partials=has_partials)
        self._observed_s, self._spent = now_s, spent
        self._ended.clear()

    def _pressure(self, live: "list[Session]") -> Pressure:
        estimator, active = self._estimator, self._estimator.active(len(live))
        return Pressure(
            lag_s=upper_quartile([self._late_s(session) for session in live], 0.0),
            stretch=upper_quartile([session.parts.pipeline.stretch for session in live], 1.0),
            load=estimator.load(active, 1.0),
            stretched_load=estimator.load(active, self._max_stretch),
        )

    def _late_s(self, session: "Session") -> float:
        """Return the lag of a session, apart from the audio that it has sent ahead of real time."""
        return max(0.0, session.parts.pipeline.lag_s - self._estimator.lead_s(session.session_id))

    def _shed(self, now_s: float, live: "list[Session]") -> None:
        limit_s = self._thresholds.lag_s(Step.SHEDDING)
        behind = [session for session in live if self._late_s(session) >= limit_s and session.accepts_audio]
        if self.step < Step.SHEDDING or not behind:
            self._warned = None
            return
        if self._warned is None or self._warned[0] not in behind:
            laggard = max(behind, key=self._late_s)
            self._warned = laggard, now_s
            message = f"transcription is {self._late_s(laggard):.1f} s behind: the session ends in {_NOTICE_S:g} s"
            laggard.parts.output.log.append_warning("lagging", message)
        elif now_s - self._warned[1] >= _NOTICE_S:
            laggard, self._warned = self._warned[0], None
            self.shed += 1
            laggard.end_early(
                Lagging(f"transcription is {self._late_s(laggard):.1f} s behind, and the gateway overloaded")
            )


def _is_live(session: "Session") -> bool:
    """Return whether a session is decoded in time: a client is connected, and it is no recording."""
    return not (session.is_detached or session.parts.is_file)


def _sample(parts: "SessionParts", *, has_ended: bool = False) -> StreamSample:
    received_s = (parts.pipeline.audio_samples - parts.begin_sample) / SAMPLE_RATE_HZ
    return StreamSample(parts.session_id, received_s, parts.channels, parts.pipeline.stretch, has_ended)


def _engine_time(scheduler: Scheduler) -> EngineTime:
    """Return the time spent since the start, summed over the slots of the engine."""
    busy_s = scheduler.statistics.busy_of_s
    return EngineTime(busy_s[RequestKind.FINAL] + busy_s[RequestKind.EAGER], busy_s[RequestKind.PARTIAL])
