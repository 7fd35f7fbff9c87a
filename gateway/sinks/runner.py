"""Runs one sink for one session: sends its events in order, and again where that fails."""

import logging
from dataclasses import dataclass

import anyio

from gateway.errors import ConfigurationError
from gateway.sinks.feed import SinkFeed
from gateway.sinks.pacing import Pacing
from gateway.sinks.positions import Position, SinkPositions
from gateway.sinks.progress import SinkProgress, SinkState
from gateway.sinks.retry_delay import retry_delay_s
from gateway.sinks.session_clock import SessionClock
from gateway.sinks.sink import (
    Delivery,
    EventRefused,
    Item,
    SessionFacts,
    Sink,
    SinkKind,
    SinkRefused,
    SinkTarget,
    SinkUnavailable,
    item_of,
)
from gateway.sqlite import StateUnavailable
from gateway.wire import Correction, CueEvent, Final, ServerEvent
from gateway.wire.server_events import channel_of, seq_of

__all__ = ["SinkRun", "SinkRunner"]

logger = logging.getLogger("livecue.sinks")

_ATTEMPT_S = 15.0
"""Limit of one `send`, which has its own, shorter limits: a sink that hangs is one that failed."""

_SAVE_INTERVAL_S = 1.0
"""A crash repeats no more than what was sent in it."""


_LATEST_FINAL_S = 60.0
"""A final comes no later after its words: an utterance has 25 s at most. Of events whose time is not known better."""


@dataclass(frozen=True, slots=True)
class SinkRun:
    """One sink of one session.

    Attributes:
        session: whose events it sends.
        target: where to.
        kind: of the target.
        progress: takes note of what happens.
        clock: of the session's audio.
        positions: keeps how far it is.
        pacing: the clock of retries.
    """

    session: SessionFacts
    target: SinkTarget
    kind: SinkKind
    progress: SinkProgress
    clock: SessionClock
    positions: SinkPositions
    pacing: Pacing

    def takes(self, event: ServerEvent) -> Item | None:
        """Return what an event is for this sink; None: nothing, or it does not take that."""
        item = item_of(event)
        return item if item is not None and item in self.kind.takes(self.target) else None


class SinkRunner:
    """Sends the events of one feed to one sink.

    A failure is followed by further attempts, with growing delays, while the caption is not older than the kind's
    patience. A partial is not repeated. Nothing else waits for this runner.

    Args:
        run: the sink and its session.
        feed: of the events that it has not acknowledged.
    """

    def __init__(self, run: SinkRun, feed: SinkFeed) -> None:
        self._run = run
        self._feed = feed
        self._progress = run.progress
        self._pacing = run.pacing
        self._failures = 0
        self._saved = run.progress.acknowledged or None
        """The position that is kept; None: none, so that after a restart nobody would know of this sink."""
        self._saved_at_s = 0.0

    async def run(self) -> None:
        """Send until the session has ended and everything is sent or given up, or the sink is refused."""
        is_whole = False
        try:
            async with self._run.kind.open(self._run.target, self._run.session) as sink:
                await self._send_all(sink)
            is_whole = self._feed.is_whole
        except (SinkRefused, ConfigurationError) as error:
            self._progress.failed(str(error))
            self._log("sink failed", error)
            is_whole = True
        except StateUnavailable as error:
            self._log("events of an earlier session not read", error)
        except Exception:  # a bug of one sink ends no session
            logger.exception("sink failed session=%s sink=%s", self._run.session.session_id, self._run.target.name)
            self._progress.failed("the gateway failed")
        finally:
            with anyio.CancelScope(shield=True):
                await self._save(is_done=is_whole)
        self._progress.stopped()

    async def _send_all(self, sink: Sink) -> None:
        while True:
            if self._progress.queued == 0 and self._saved is not None:
                await self._save()
            event = await self._feed.next()
            if event is None:
                return
            if self._saved is None:  # the session's first event is published once the journal has the session
                await self._save()
            item = self._run.takes(event)
            if item is not None:
                await self._deliver(sink, self._delivery(event, item))
            elif item_of(event) is Item.CORRECTION:
                self._progress.unsupported()
            if self._pacing.clock() - self._saved_at_s >= _SAVE_INTERVAL_S:
                await self._save()

    async def _deliver(self, sink: Sink, delivery: Delivery) -> None:
        emitted_s, patience_s = self._emitted_s(delivery), self._run.kind.patience_s
        while True:
            if patience_s is not None and self._pacing.clock() - emitted_s > patience_s:
                self._give_up(delivery, f"they were more than {patience_s:g} s old before they could be sent")
                return
            try:
                with anyio.fail_after(_ATTEMPT_S):
                    await sink.send(delivery)
            except (SinkUnavailable, TimeoutError) as error:
                await self._back_off(error)
                if delivery.item is Item.PARTIAL:
                    return
            except EventRefused as error:
                self._give_up(delivery, str(error))
                return
            else:
                self._taken(delivery)
                return

    def _taken(self, delivery: Delivery) -> None:
        self._failures = 0
        if delivery.item is Item.PARTIAL:
            self._progress.displayed()
        else:
            self._progress.delivered(delivery.seq)

    async def _back_off(self, error: SinkUnavailable | TimeoutError) -> None:
        reason = str(error) or f"no answer within {_ATTEMPT_S:g} s"
        asked_s = error.retry_after_s if isinstance(error, SinkUnavailable) else None
        if not self._failures:
            self._log("sink unavailable", reason)
        self._failures += 1
        self._progress.retrying(reason)
        await self._pacing.sleep(retry_delay_s(self._failures, asked_s, self._pacing.fraction()))

    def _give_up(self, delivery: Delivery, reason: str) -> None:
        if delivery.item is not Item.PARTIAL:
            self._progress.lost(delivery.seq, reason)
            self._log("caption lost", reason)

    def _delivery(self, event: ServerEvent, item: Item) -> Delivery:
        span, now_s = _span_of(event), self._pacing.clock()
        spoken_at_s = now_s if span is None else self._run.clock.time_of(span[0])
        if item is not Item.PARTIAL:
            latest_s = now_s if span is None else self._run.clock.time_of(span[1]) + _LATEST_FINAL_S
            self._progress.published(seq_of(event) or 0, min(now_s, latest_s))
        return Delivery(event, item, self._progress.sent + 1, self._run.session, spoken_at_s)

    def _emitted_s(self, delivery: Delivery) -> float:
        emitted_s = self._progress.emitted_s(delivery.seq)
        return self._pacing.clock() if emitted_s is None else emitted_s

    async def _save(self, *, is_done: bool = False) -> None:
        progress = self._progress
        if progress.acknowledged == self._saved and not is_done:
            return
        run = self._run
        position = Position(progress.acknowledged, progress.sent, run.clock.origin_s, is_done)
        self._saved_at_s = self._pacing.clock()
        if await run.positions.save(run.session.session_id, run.target.name, position):
            self._saved = progress.acknowledged

    def _log(self, text: str, value: object) -> None:
        run = self._run
        level = logging.ERROR if self._progress.state is SinkState.FAILED else logging.WARNING
        logger.log(level, "%s: %s session=%s sink=%s", text, value, run.session.session_id, run.target.name)


def _span_of(event: ServerEvent) -> tuple[int, int] | None:
    """Return the samples between which the words of an event were spoken; None: it has none."""
    match channel_of(event)[1]:
        case CueEvent(_, cue):
            return cue.start_sample, cue.end_sample
        case Final(start_sample=start, end_sample=end):
            return start, end
        case Correction(cues=cues) if cues:
            return cues[0].start_sample, cues[-1].end_sample
        case _:
            return None
