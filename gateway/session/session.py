"""One stream of audio and its transcript. A session outlives its connections where its client can resume it."""

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

import anyio

from gateway.delivery.broadcast import SessionInfo
from gateway.delivery.send_queue import SendQueue
from gateway.errors import Disconnected, Draining, ResumedElsewhere
from gateway.session.assembly import Restored, assemble
from gateway.session.audio_intake import Charge
from gateway.session.client_input import ClientInput
from gateway.session.context import SessionContext
from gateway.session.lifecycle import Lifecycle, State, Transition
from gateway.session.stats import SessionStats
from gateway.sqlite import StateUnavailable
from gateway.wire import Gap, ProtocolError, Resume, Start, Stop
from vad.audio import SAMPLE_RATE_HZ
from vad.errors import LivecueError

__all__ = ["Session", "check_gap"]

logger = logging.getLogger("livecue.session")

_MAX_GAP_S = 3_600.0
"""Lost audio is replaced by silence, at a few milliseconds of work a second: an hour takes seconds."""


class Session:
    """A pipeline, where audio enters it, and where its events go.

    Without a client a resumable session waits for the grace time; any other ends.

    Args:
        context: what is shared with other sessions.
        start: what the client wants.
        info: what is known of it.
        restored: where it goes on, if it is resumed from the journal.

    Raises:
        ProtocolError: an option that is not available.
    """

    def __init__(
        self, context: SessionContext, start: Start, info: SessionInfo, restored: Restored | None = None
    ) -> None:
        self.info = info
        self.closed = anyio.Event()
        """Set when nothing is left of it."""
        self._context = context
        self._gap = None if restored is None else restored.checkpoint.gap
        self._life = Lifecycle()
        self._parts = assemble(context, start, info, restored)
        self.session_id = self._parts.session_id
        self._output, self._pipeline = self._parts.output, self._parts.pipeline
        self._resources = ExitStack()
        _log_opened(self.session_id, start, self._pipeline.language)

    @property
    def accepts_audio(self) -> bool:
        """Whether audio is decoded that comes now."""
        return self._life.accepts_audio

    @property
    def accepts_messages(self) -> bool:
        """Whether its client's messages matter: not once an error has ended it, or will."""
        return self._life.error is None and not self.is_over

    @property
    def is_over(self) -> bool:
        """Whether it emits nothing more."""
        return self._life.is_over or self._output.is_closed

    @property
    def is_resumable(self) -> bool:
        """Whether its client can come back to it over another connection."""
        return self._output.can_resume and self._life.can_resume

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for its client to come back."""
        return self.is_resumable and not self._output.has_client

    @property
    def absent_since_s(self) -> float:
        """When its client left, in seconds of the event loop."""
        return self._output.absent_since_s

    @property
    def stats(self) -> SessionStats:
        """What its pipeline has counted."""
        return self._pipeline.stats

    @property
    def received_s(self) -> float:
        """How much audio it has received, in seconds: of the channel that is ahead."""
        return self._pipeline.audio_end_sample / SAMPLE_RATE_HZ

    def is_resumed_by(self, token: str) -> bool:
        """Return whether that token resumes it."""
        return self._output.is_resumed_by(token)

    def open(self, client: SendQueue, charge: Charge) -> ClientInput:
        """Begin with its first client, which pays, and return that client's way in."""
        self._begin()
        self._output.attach(client)
        self._output.append(self._pipeline.ready(self._pipeline.next_seq()))
        return ClientInput(self._parts, self._life, client, charge)

    def restore(self, client: SendQueue, resume: Resume, missed: Sequence[str], charge: Charge) -> ClientInput:
        """Begin where the journal ends, with a client that has missed messages, and return that client's way in."""
        self._begin()
        self._output.broadcast.publish(self._pipeline.ready(1))  # the one in the journal
        self._welcome_back(client, resume, self._pipeline.next_sample, missed)
        if self._gap is not None:
            self._output.append(Gap(self._pipeline.next_seq(), *self._gap))
        return ClientInput(self._parts, self._life, client, charge)

    def attach(self, client: SendQueue, resume: Resume, missed: Sequence[str], charge: Charge) -> ClientInput:
        """Go on with another client, which has missed messages and pays from now on; the one before is dismissed.

        Raises:
            ProtocolError: more audio was lost than a session may miss.
        """
        lost = max(0, resume.held_sample - self._pipeline.next_sample)
        check_gap(lost, self._parts.audio.sample_rate_hz)
        self._parts.intake.drop_partial_frame()
        self._output.dismiss(ResumedElsewhere("the session goes on over another connection"))
        self._life.apply(Transition.ATTACH)
        self._welcome_back(client, resume, self._pipeline.next_sample + lost, missed)
        return ClientInput(self._parts, self._life, client, charge, lost)

    def detach(self, client: SendQueue, error: LivecueError) -> None:
        """Go on without that client, if it is connected still; the error is why it has left."""
        if not self._output.detach(client) or self.is_over:
            return
        if self._output.can_resume:
            self._life.apply(Transition.DETACH)
            self._context.live.make_room(self._context.settings.session.max_waiting)
        else:
            self._abort(self._life.error or error)

    def evict(self, reason: str) -> None:
        """Wait for the client no longer; audio received so far still gets its finals."""
        was_detached = self._life.state is State.DETACHED
        if self._life.apply(Transition.EVICT, Disconnected(f"the client has not come back: {reason}")):
            self._output.void_token()
            if was_detached:
                self._stop_pipeline()

    def fail(self, error: LivecueError) -> None:
        """End with an error, once it is published."""
        if self._life.apply(Transition.FAIL, error):
            self._output.report(error, fatal=True)
            self._output.close(error)

    def end_early(self, error: LivecueError) -> None:
        """Publish an error, and accept no more audio because of it; audio received so far still gets its finals."""
        was_open = self._life.state in (State.LIVE, State.DETACHED)
        if self._life.apply(Transition.STOP, error):
            self._output.report(error, fatal=True)
            if was_open:
                self._stop_pipeline()

    async def drain(self) -> None:
        """Return when it has ended, or can be resumed at another gateway without losing a final."""
        if not self.is_resumable or self._life.state is State.DRAINING:
            if self.accepts_audio:
                self.end_early(Draining("the gateway is stopping; audio received so far is still transcribed"))
            await self.closed.wait()
            return
        await self._parts.driver.settled()
        if self._context.journal is not None:
            with suppress(StateUnavailable):
                await self._context.journal.flush()
        self.release()

    def release(self) -> None:
        """Close its client's connection because the gateway stops; the client may resume it elsewhere."""
        self._output.release(Draining("the gateway is stopping"))

    def _begin(self) -> None:
        context = self._context
        self._resources.enter_context(context.live.added(self))
        self._resources.enter_context(context.broadcaster.show(self.session_id, self._output.broadcast))
        self._resources.enter_context(context.metrics.sessions.track_inprogress())
        self._life.apply(Transition.ATTACH)
        context.tasks.start_soon(self._run)

    async def _run(self) -> None:
        try:
            await self._parts.run(*([self._evict_when_absent] if self._output.can_resume else []))
        except Exception:  # a fault of ours ends this session and no other
            logger.exception("session failed session=%s", self.session_id)
            error = LivecueError("the gateway failed")
            self._output.dismiss(error)
            self._abort(error)
        finally:
            self._close()

    async def _evict_when_absent(self) -> None:
        grace_s = self._context.settings.session.grace_s
        await self._output.absent(grace_s)
        self.evict(f"{grace_s:g} s are over")

    def _stop_pipeline(self) -> None:
        try:
            self._parts.driver.handle(Stop())
        except LivecueError as error:  # not even that can be done
            self.fail(error)

    def _welcome_back(self, client: SendQueue, resume: Resume, next_sample: int, missed: Sequence[str]) -> None:
        ready = self._pipeline.ready(resume.after_seq)
        self._output.welcome_back(client, replace(ready, next_sample=next_sample), missed)

    def _abort(self, error: LivecueError) -> None:
        """End at once."""
        self._life.apply(Transition.FAIL, error)
        self._output.abort(error)

    def _close(self) -> None:
        context = self._context
        if self._output.is_closed:
            self._life.apply(Transition.FINISH)
        self._resources.close()
        outcome = self._life.outcome
        if context.journal is not None and self._life.is_over:  # else the gateway stops, and the next one resumes it
            context.journal.end(self.session_id, outcome, time.time())
        context.metrics.sessions_ended.labels(outcome).inc()
        _log_closed(self.session_id, outcome, self.received_s, self.stats.finals)
        self.closed.set()


def check_gap(lost_samples: int, rate_hz: int) -> None:
    """Accept that so many samples are lost.

    Raises:
        ProtocolError: more than a session may miss.
    """
    if lost_samples > _MAX_GAP_S * rate_hz:
        raise ProtocolError(f"{lost_samples} sample frames were lost (limit {_MAX_GAP_S:g} s)", "held_sample")


def _log_opened(session_id: str, start: Start, language: str | None) -> None:
    audio = start.audio
    logger.info(
        "session opened session=%s encoding=%s rate_hz=%d channels=%d language=%s",
        session_id,
        audio.encoding,
        audio.sample_rate_hz,
        audio.channels,
        language,
    )


def _log_closed(session_id: str, outcome: str, received_s: float, finals: int) -> None:
    line = "session closed session=%s outcome=%s audio_s=%.1f finals=%d"
    logger.info(line, session_id, outcome, received_s, finals)
