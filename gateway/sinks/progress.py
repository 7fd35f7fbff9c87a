"""How far one sink is with one session: what was sent, dropped and waits. PURE."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["SinkCounts", "SinkOutcome", "SinkProgress", "SinkState"]

_MAX_WAITING = 10_000
"""Finals of many hours; beyond them, the oldest are not counted as waiting any more."""


class SinkState(StrEnum):
    """The state of a sink, as its session's client sees it."""

    OK = "ok"
    RETRYING = "retrying"
    """The last attempt has failed, and there will be another."""
    FAILED = "failed"
    """It takes nothing more of this session."""
    STOPPED = "stopped"
    """The session is over, and everything was sent or dropped."""


class SinkOutcome(StrEnum):
    """What became of events, and of attempts to send them."""

    SENT = "sent"
    RETRIED = "retried"
    """Attempts that failed and were or will be repeated."""
    DROPPED = "dropped"
    """Events that the sink did not take, or that had become too old."""
    UNSUPPORTED = "unsupported"
    """Corrections for a sink that cannot change what it has sent."""


@dataclass(slots=True)
class SinkCounts:
    """Counts of all sessions, by name of the sink."""

    outcomes: Counter[tuple[str, SinkOutcome]] = field(default_factory=Counter)


class SinkProgress:
    """The progress of one sink.

    Args:
        name: of the sink.
        counts: of all sessions, under that label.
        label: the sink's name, or one for all sinks that clients bring.
        on_change: called after each change.
    """

    def __init__(self, name: str, counts: SinkCounts, label: str, on_change: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.state = SinkState.OK
        self.message: str | None = None
        """Why it is not ok, or what was lost last."""
        self.acknowledged = 0
        """Number of the last event that was sent or dropped."""
        self.sent = 0
        """Events taken, without partials."""
        self.dropped = 0
        """Events lost."""
        self._newest = 0
        self._waiting: deque[tuple[int, float]] = deque(maxlen=_MAX_WAITING)
        """Number of each event, and when it was emitted."""
        self._counts = counts
        self._label = label
        self._on_change = on_change

    @property
    def queued(self) -> int:
        """Number of events that wait."""
        return len(self._waiting)

    @property
    def is_behind(self) -> bool:
        """Whether events wait that will be sent without a further failure."""
        return bool(self._waiting) and self.state is SinkState.OK

    def restore(self, acknowledged: int, sent: int) -> None:
        """Continue where an earlier run has stopped."""
        self.acknowledged, self._newest, self.sent = acknowledged, acknowledged, sent

    def published(self, seq: int, at_s: float) -> None:
        """Count an event that the sink takes, and that was emitted then, unless it is known already."""
        if seq <= self._newest:
            return
        self._newest = seq
        if self.state is SinkState.FAILED:
            self.lost(seq, self.message or "it has failed")
        else:
            self._waiting.append((seq, at_s))
            self._on_change()

    def emitted_s(self, seq: int) -> float | None:
        """Return when an event was emitted that waits; None: unknown."""
        return next((at_s for waiting, at_s in self._waiting if waiting == seq), None)

    def delivered(self, seq: int) -> None:
        """Count an event that was taken."""
        self.sent += 1
        self._count(SinkOutcome.SENT)
        self._recover()
        self._acknowledge(seq)

    def displayed(self) -> None:
        """Note that a partial was taken."""
        self._recover()
        self._on_change()

    def retrying(self, reason: str) -> None:
        """Note a failure that is followed by another attempt."""
        self.state, self.message = SinkState.RETRYING, reason
        self._count(SinkOutcome.RETRIED)
        self._on_change()

    def unsupported(self) -> None:
        """Count a correction that the sink cannot take."""
        self._count(SinkOutcome.UNSUPPORTED)

    def failed(self, reason: str) -> None:
        """Give the sink up: what waits and what comes is lost."""
        self.state, self.message = SinkState.FAILED, reason
        for seq, _ in tuple(self._waiting):
            self.lost(seq, reason)
        self._on_change()

    def stopped(self) -> None:
        """Note that nothing more comes."""
        if self.state is not SinkState.FAILED:
            self.state = SinkState.STOPPED
        self._on_change()

    def _recover(self) -> None:
        if self.state is SinkState.RETRYING:
            self.state = SinkState.OK
            self.message = _loss(self.dropped) if self.dropped else None

    def lost(self, seq: int, reason: str) -> None:
        """Count an event that is given up."""
        self.dropped += 1
        self._count(SinkOutcome.DROPPED)
        if self.state is not SinkState.FAILED:
            self.message = f"{_loss(self.dropped)}: {reason}"
        self._acknowledge(seq)

    def _acknowledge(self, seq: int) -> None:
        self.acknowledged = max(self.acknowledged, seq)
        self._newest = max(self._newest, seq)
        while self._waiting and self._waiting[0][0] <= seq:
            self._waiting.popleft()
        self._on_change()

    def _count(self, outcome: SinkOutcome) -> None:
        self._counts.outcomes[self._label, outcome] += 1


def _loss(dropped: int) -> str:
    return "1 caption was lost" if dropped == 1 else f"{dropped} captions were lost"
