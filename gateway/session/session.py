"""One session: a stream of audio and its transcript. A resumable session outlives its connections."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import anyio

from gateway.delivery.broadcast import Broadcast, SessionInfo
from gateway.delivery.send_queue import SendQueue
from gateway.errors import Disconnected, Draining, ResumedElsewhere
from gateway.metrics import Metrics
from gateway.session.assembly import Restored, assemble
from gateway.session.audio_intake import Charge
from gateway.session.client_input import ClientInput
from gateway.session.context import SessionContext
from gateway.session.lifecycle import Lifecycle, State, Transition
from gateway.session.sink_reports import start_sinks
from gateway.session.stats import SessionStats
from gateway.session.traced_log import bind_logs
from gateway.wire import Gap, ProtocolError, Resume, Start, Stop
from vad.audio import SAMPLE_RATE_HZ
from vad.errors import LivecueError

__all__ = ["Session", "check_gap"]

logger = logging.getLogger("livecue.session")

_MAX_GAP_S = 3_600.0
"""Silence in place of lost audio takes a few milliseconds of CPU time a second: seconds for an hour."""


class Session:
    """A pipeline with its input and output, and the life of both.

    When its client disconnects, a resumable session stays for the grace time; any other ends.

    Args:
        context: shared by all sessions.
        start: the client's options.
        info: metadata of the session.
        restored: where it continues; None: it is new.

    Raises:
        ProtocolError: an option is not available.
    """

    def __init__(
        self, context: SessionContext, start: Start, info: SessionInfo, restored: Restored | None = None
    ) -> None:
        self.info = info
        self.closed = anyio.Event()
        """Set once its tasks have ended and its end is recorded."""
        self._context = context
        self._gap = None if restored is None else restored.checkpoint.gap
        self._life = Lifecycle()
        self.parts = assemble(context, start, info, restored)
        """Its pipeline, with input and output."""
        self.session_id, self.trace = self.parts.session_id, self.parts.trace
        self._output, self._pipeline = self.parts.output, self.parts.pipeline
        self._resources = ExitStack()
        _report_opening(self, start, self._pipeline.language)

    @property
    def accepts_audio(self) -> bool:
        """Whether audio received now is decoded."""
        return self._life.accepts_audio

    @property
    def accepts_messages(self) -> bool:
        """Whether its client's messages are handled: not once an error ends or has ended it."""
        return self._life.error is None and not self.is_over

    @property
    def is_over(self) -> bool:
        """Whether it emits nothing more."""
        return self._life.is_over or self._output.is_closed

    @property
    def is_resumable(self) -> bool:
        """Whether its client can resume it over another connection."""
        return self._output.can_resume and self._life.can_resume

    @property
    def is_detached(self) -> bool:
        """Whether its client is disconnected and can resume."""
        return self.is_resumable and not self._output.has_client

    @property
    def detached_since_s(self) -> float:
        """When its client disconnected, in seconds on the event loop's clock."""
        return self._output.detached_since_s

    @property
    def stats(self) -> SessionStats:
        """The counts of its pipeline."""
        return self._pipeline.stats

    @property
    def received_s(self) -> float:
        """Seconds of audio received, of the channel that is ahead."""
        return self._pipeline.audio_end_sample / SAMPLE_RATE_HZ

    @property
    def is_stopping(self) -> bool:
        """Whether it accepts no more audio, and its finals are outstanding."""
        return self._life.state is State.DRAINING

    def is_resumed_by(self, token: str) -> bool:
        """Return whether a token resumes it."""
        return self._output.is_resumed_by(token)

    def open(self, client: SendQueue, charge: Charge) -> ClientInput:
        """Open it with its first client, which is charged, and return the client's input."""
        self._begin()
        self._output.attach(client)
        self._output.begin(self._pipeline.ready(self._pipeline.next_seq()))
        self._context.overload.greet(self)
        return ClientInput(self.parts, self._life, client, charge)

    def restore(self, client: SendQueue, resume: Resume, missed: Sequence[str], charge: Charge) -> ClientInput:
        """Continue where the journal ends, with a client that missed messages, and return the client's input."""
        self._begin()
        self._output.begin_again(self._pipeline.ready(1))  # with its number in the journal
        self._reattach(client, resume, self._pipeline.next_sample, missed)
        if self._gap is not None:
            self._output.append(Gap(self._pipeline.next_seq(), *self._gap))
        self._context.overload.greet(self)
        return ClientInput(self.parts, self._life, client, charge)

    def attach(self, client: SendQueue, resume: Resume, missed: Sequence[str], charge: Charge) -> ClientInput:
        """Continue with another client, which missed messages and is charged from now on; disconnect the previous one.

        Raises:
            ProtocolError: more audio was lost than allowed.
        """
        lost = max(0, resume.held_sample - self._pipeline.next_sample)
        check_gap(lost, self.parts.audio.sample_rate_hz)
        self.parts.intake.drop_partial_frame()
        self._output.dismiss(ResumedElsewhere("the session was resumed over another connection"))
        self._life.apply(Transition.ATTACH)
        self._reattach(client, resume, self._pipeline.next_sample + lost, missed)
        return ClientInput(self.parts, self._life, client, charge, lost)

    def detach(self, client: SendQueue, error: LivecueError) -> None:
        """Continue without a client, if it is the connected one; the error is why it disconnected."""
        if not self._output.detach(client) or self.is_over:
            return
        if self._output.can_resume:
            self._life.apply(Transition.DETACH)
            self._context.live.make_room(self._context.settings.session.max_waiting)
        else:
            self._abort(self._life.error or error)

    def evict(self, reason: str) -> None:
        """Make the session impossible to resume; audio received so far still gets its finals."""
        was_detached = self._life.state is State.DETACHED
        if self._life.apply(Transition.EVICT, Disconnected(f"the client did not resume: {reason}")):
            self._output.void_token()
            if was_detached:
                self._stop_pipeline()

    def fail(self, error: LivecueError) -> None:
        """End with an error, once the error event is published."""
        if self._life.apply(Transition.FAIL, error):
            self._output.report(error, fatal=True)
            self._output.close(error)

    def end_early(self, error: LivecueError) -> None:
        """Publish an error and accept no more audio; audio received so far still gets its finals."""
        was_open = self._life.state in (State.LIVE, State.DETACHED)
        if self._life.apply(Transition.STOP, error):
            self._output.report(error, fatal=True)
            if was_open:
                self._stop_pipeline()

    def move(self) -> None:
        """Leave the session to the next gateway; one that cannot be resumed only loses its connection."""
        error = Draining("the gateway is stopping")
        if self.is_resumable and self._life.apply(Transition.MOVE):
            self._output.move(error)
        else:
            self._output.release(error)

    def _begin(self) -> None:
        context = self._context
        self._resources.enter_context(_registered(context, self, self._output.broadcast))
        self._life.apply(Transition.ATTACH)
        context.tasks.start_soon(self._run)
        start_sinks(context, self.parts, self.info.opened_s)

    async def _run(self) -> None:
        try:
            await self.parts.run(*([self._evict_after_grace] if self._output.can_resume else []))
        except Exception:  # a bug ends this session and no other
            logger.exception("session failed session=%s", self.session_id)
            error = LivecueError("the gateway failed")
            self._output.dismiss(error)
            self._abort(error)
        finally:
            self._close()

    async def _evict_after_grace(self) -> None:
        grace_s = self._context.settings.session.grace_s
        await self._output.detached_for(grace_s)
        self.evict(f"grace time of {grace_s:g} s is over")

    def _stop_pipeline(self) -> None:
        try:
            self.parts.driver.handle(Stop())
        except LivecueError as error:  # the rest of the audio cannot be processed
            self.fail(error)

    def _reattach(self, client: SendQueue, resume: Resume, next_sample: int, missed: Sequence[str]) -> None:
        ready = self._pipeline.ready(resume.after_seq)
        self._output.reattach(client, replace(ready, next_sample=next_sample), missed)

    def _abort(self, error: LivecueError) -> None:
        """End at once."""
        self._life.apply(Transition.FAIL, error)
        self._output.abort(error)

    def _close(self) -> None:
        if self._output.is_closed:
            self._life.apply(Transition.FINISH)
        self._resources.close()
        self._context.overload.leave(self)
        leaves_it = self._life.state is State.MOVED or not self._life.is_over
        if self._context.journal is not None and not leaves_it:  # else the next gateway resumes it
            self._context.journal.end(self.session_id, self._life.outcome, time.time())
        _report_end(self, self._context.metrics, self._life.outcome)
        self.closed.set()


@contextmanager
def _registered(context: SessionContext, session: Session, broadcast: Broadcast) -> Iterator[None]:
    """Let a session be found, viewed and counted while the block lasts."""
    with (
        context.live.added(session),
        context.broadcaster.registered(session.session_id, broadcast),
        context.metrics.sessions.track_inprogress(),
    ):
        yield


def check_gap(lost_samples: int, rate_hz: int) -> None:
    """Check that a gap of lost audio is not too long.

    Args:
        lost_samples: length of the gap.
        rate_hz: of these samples.

    Raises:
        ProtocolError: more than an hour was lost.
    """
    if lost_samples > _MAX_GAP_S * rate_hz:
        raise ProtocolError(
            f"{lost_samples / rate_hz:.0f} s of audio were lost (limit {_MAX_GAP_S:g} s)", "held_sample"
        )


def _report_opening(session: Session, start: Start, language: str | None) -> None:
    bind_logs(session.session_id, session.trace)
    audio = start.audio
    logger.info(
        "session opened session=%s encoding=%s rate_hz=%d channels=%d language=%s",
        session.session_id,
        audio.encoding,
        audio.sample_rate_hz,
        audio.channels,
        language,
    )


def _report_end(session: Session, metrics: Metrics, outcome: str) -> None:
    metrics.sessions_ended.labels(outcome).inc()
    line = "session closed session=%s outcome=%s audio_s=%.1f finals=%d"
    logger.info(line, session.session_id, outcome, session.received_s, session.stats.finals)
    if session.trace is not None:
        session.trace.end(outcome, session.received_s, session.stats.finals, time.time())
