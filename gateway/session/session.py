"""One stream of sound and what is said of it. A session outlives its connections where its client can come back."""

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from decoder.engine import EngineInfo
from decoder.scheduler import Scheduler
from gateway.access.api_keys import digest_of
from gateway.access.drain import Drain
from gateway.delivery.broadcast import Broadcaster, SessionInfo
from gateway.delivery.event_publisher import EventPublisher, Peer, Row
from gateway.errors import Disconnected, InsufficientCredits, ResumedElsewhere, Unauthorized, field_of
from gateway.journal.journal import Journal, Opening
from gateway.journal.recording import Recording
from gateway.metrics import Metrics
from gateway.session.channel_pipelines import ChannelPipelines
from gateway.session.checkpoint import FRESH, Checkpoint
from gateway.session.pipeline import PipelineSettings
from gateway.session.pipeline_driver import Charge, PipelineDriver
from gateway.wire import (
    Error,
    Finished,
    Flush,
    Gap,
    OfChannel,
    ProtocolError,
    Resume,
    ServerEvent,
    Start,
    Stop,
    Update,
    Warning,
)
from gateway.wire.native.codec import NativeClientCodec
from vad.audio import SAMPLE_RATE_HZ
from vad.errors import LivecueError

__all__ = ["FINISHED", "Session", "SessionContext", "check_gap"]

logger = logging.getLogger("livecue.session")

FINISHED = "finished"
"""Outcome of a session that was not ended by an error."""

INTERRUPTED = "interrupted"
"""Outcome of one that was still going on when its gateway stopped."""

_TOKEN_BYTES = 32

_MAX_GAP_S = 3_600.0
"""Lost sound is heard as silence, at a few milliseconds of work a second: an hour's takes seconds."""


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What a session shares with the others: the engine behind its scheduler, the settings, the metrics, the clock.

    Attributes:
        tasks: in which sessions live.
        journal: writes down what they say; None: nobody does, and no session waits for its client.
        recordings: folder where their sound is kept; None: nowhere.
        watching: is told each event as it happens, for those who watch the session.
        live: the sessions there are, by their ids.
        drain: whether the gateway is stopping.
        resuming: whose turn it is to take one up, so that the later of two finds what the earlier one has done.
    """

    scheduler: Scheduler
    engine: EngineInfo
    settings: PipelineSettings
    metrics: Metrics
    clock: Callable[[], float]
    tasks: TaskGroup
    journal: Journal | None = None
    recordings: Path | None = None
    watching: Broadcaster = field(default_factory=Broadcaster)
    live: "dict[str, Session]" = field(default_factory=dict)
    drain: Drain = field(default_factory=Drain)
    resuming: anyio.Lock = field(default_factory=anyio.Lock)


class Session:
    """Sound in, events out: a pipeline, the task that takes what the engine answers, and an audience.

    Without a peer a resumable session waits for the grace time; any other is over.

    Args:
        context: what is shared with other sessions.
        start: what the client wants.
        subject: what is known of it.
        charge: who pays.
        checkpoint: where it goes on, if it is taken up from its journal.
        name: its id then.

    Raises:
        ProtocolError: a wish that cannot be met.
    """

    def __init__(
        self,
        context: SessionContext,
        start: Start,
        subject: SessionInfo,
        charge: Charge = lambda audio_s: None,
        checkpoint: Checkpoint = FRESH,
        name: str | None = None,
    ) -> None:
        self.session_id = name or uuid4().hex
        self.pipeline = ChannelPipelines(self.session_id, start, context.settings, context.engine, checkpoint)
        self.error: LivecueError | None = None
        """Why it is over, or will be; None while all is well, and when it has finished."""
        self.closed = anyio.Event()
        """Is set when nothing is left of it."""
        self._context = context
        self._start = start
        self.subject = subject
        self._charge = charge
        self.audience = EventPublisher(self.session_id, context.journal, context.watching, self._on_told)
        """Who is told what it says."""
        self._gap = checkpoint.gap
        self._lost_samples = 0
        """Sample frames that the peer cannot send again, at its rate."""
        self.transcriber = PipelineDriver(self.pipeline, start.audio, context.scheduler, context.metrics, self.say)
        self.transcriber.paid_samples = checkpoint.paid_sample
        self._is_draining = False
        """Whether a fatal error has been told, and finals still follow it."""
        self.is_over = False
        """Whether nothing more is told; what is left of it goes."""
        self._shown = ExitStack()
        self._scope = anyio.CancelScope()

    @property
    def has_stopped(self) -> bool:
        """Whether no more is heard; what was heard is still answered."""
        return self.transcriber.has_stopped

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for its client to come back."""
        return self.audience.peer is None and self.audience.token is not None and not self.is_over

    # --- from its beginning to its end ---------------------------------------------------------------------------

    def open(self, peer: Peer) -> None:
        """Begin, and tell the peer so."""
        token, journal = None, self._context.journal
        if journal is not None and journal.is_enabled:
            token = secrets.token_urlsafe(_TOKEN_BYTES) if self._start.resumable else None
            journal.open(_opening(self.session_id, self.subject, self._start, token), self.warn_of_journal)
        self.audience.token = token
        self._begin()
        self.audience.begin(peer)
        self.say(self.pipeline.ready())

    def go_on(self, peer: Peer, resume: Resume, missed: Sequence[Row]) -> None:
        """Begin where the journal ends, and tell the peer so, and what it has missed."""
        self.audience.token = resume.token
        self._begin()
        introduction = replace(self.pipeline.ready(), seq=1)  # the one in the journal, which viewers are told
        self._context.watching.tell(self.session_id, introduction)
        self._welcome_back(peer, resume, self.pipeline.next_sample, missed)
        if self._gap is not None:
            self.say(Gap(self.pipeline.next_seq(), *self._gap))

    def take_up(self, peer: Peer, resume: Resume, missed: Sequence[Row], charge: Charge) -> None:
        """Go on with another peer, which pays from now on, and tell it what it has missed; the one before is let go.

        Raises:
            ProtocolError: more sound was lost than a session may miss.
        """
        lost = max(0, resume.held_sample - self.pipeline.next_sample)
        check_gap(lost, self._start.audio.sample_rate_hz)
        self._charge, self._lost_samples = charge, lost
        self.transcriber.drop_cut()
        self._dismiss(ResumedElsewhere("the session goes on over another connection"))
        self._welcome_back(peer, resume, self.pipeline.next_sample + lost, missed)

    async def hear_what_was_lost(self, peer: Peer) -> None:
        """Hear silence in place of the sound that was lost before the peer took the session up.

        Raises:
            Lagging: the engine has been too slow for too long.
        """
        lost, self._lost_samples = self._lost_samples, 0
        if lost:
            await self.transcriber.push_gap(lost, lambda: self._is_heard(peer))

    def leave(self, peer: Peer, error: LivecueError) -> None:
        """Do without a peer, if that is still the one there is; the error is why it is gone."""
        if not self.audience.leave(peer) or self.is_over:
            return
        if self.audience.token is None:
            self.error = self.error or error
            self._end()
        else:
            _make_room(self._context)

    def give_up(self, reason: str) -> None:
        """Wait for the client no longer; what was heard is still answered."""
        if self.audience.token is not None:
            self.audience.token = None
            self.error = Disconnected(f"the client has not come back: {reason}")
            self._wind_up()

    def fail(self, error: LivecueError) -> None:
        """End with an error."""
        self.error, self._is_draining = error, False
        self.say(self.error_event(error, fatal=True))

    def end_early(self, error: LivecueError) -> None:
        """Hear nothing more, and say why; what was heard is still answered."""
        self.error, self._is_draining = error, True
        self.say(self.error_event(error, fatal=True))
        self._wind_up()

    def _wind_up(self) -> None:
        try:
            self.handle(Stop())
        except LivecueError as error:  # not even that can be done
            self.fail(error)

    def _begin(self) -> None:
        context = self._context
        context.live[self.session_id] = self
        self._shown.enter_context(context.watching.show(self.session_id, self.subject))
        context.metrics.sessions.inc()
        _log_opened(self.session_id, self._start, self.pipeline.language)
        if context.recordings is not None:
            warn = partial(self._warn, "recording_stopped")
            self.transcriber.recording = Recording(context.recordings, self.session_id, self._start, warn)
        context.tasks.start_soon(self._run)

    def _welcome_back(self, peer: Peer, resume: Resume, next_sample: int, missed: Sequence[Row]) -> None:
        ready = replace(self.pipeline.ready(), seq=resume.after_seq, resume_token=resume.token, next_sample=next_sample)
        self.audience.welcome(peer, ready, missed)

    async def _run(self) -> None:
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self.transcriber.run)
                    if self.transcriber.recording is not None:
                        tasks.start_soon(self.transcriber.recording.run)
                    if self.audience.token is not None:
                        tasks.start_soon(self._await_return)
        except Exception:  # a fault of ours ends this session and no other
            logger.exception("session failed session=%s", self.session_id)
            self.error = LivecueError("the gateway failed")
            self._dismiss(self.error)
            self._end()
        finally:
            self._close()

    async def _await_return(self) -> None:
        grace_s = self._context.settings.session.grace_s
        await self.audience.wait_for_absence(grace_s)
        self.give_up(f"{grace_s:g} s are over")

    def _dismiss(self, error: LivecueError) -> None:
        """Tell the peer, and nobody else, why it is one no more."""
        if (peer := self.audience.peer) is not None:
            peer.tell(self.error_event(error, fatal=True))
            peer.end(error)

    def _end(self) -> None:
        self.is_over = True
        self.audience.close(self.error)
        self._scope.cancel()

    def _close(self) -> None:
        context, ended_well = self._context, FINISHED if self.is_over else INTERRUPTED
        outcome = self.error.code if self.error else ended_well
        del context.live[self.session_id]
        self._shown.close()
        if context.journal is not None and self.is_over:  # else the gateway stops, and the next one goes on with it
            context.journal.end(self.session_id, outcome, time.time())
        context.metrics.sessions.dec()
        context.metrics.sessions_ended.labels(outcome).inc()
        _log_closed(self.session_id, outcome, self.pipeline)
        self.closed.set()

    # --- what the client says, and what it is told -----------------------------------------------------------------

    async def push_audio(self, peer: Peer, data: bytes, channel: int) -> None:
        """Hear a message of sound, as long as it is that peer's turn.

        Raises:
            AudioError: it is not in the announced format.
            Lagging: the engine has been too slow for too long.
            ProtocolError: there is no such channel.
        """
        try:
            await self.transcriber.push_audio(data, channel, self._charge, lambda: self._is_heard(peer))
        except (InsufficientCredits, Unauthorized) as error:
            self.end_early(error)

    def handle(self, wish: Update | Flush | Stop) -> None:
        """Do what the client wants beside being heard.

        Raises:
            ProtocolError: a wish that cannot be met.
        """
        self.transcriber.handle(wish)

    def _is_heard(self, peer: Peer) -> bool:
        return self.audience.peer is peer and not self.is_over

    def error_event(self, error: LivecueError, *, fatal: bool) -> Error:
        """Return what is said of an error."""
        return Error(self.pipeline.next_seq(), error.code, str(error), fatal, field_of(error))

    def say(self, event: ServerEvent) -> None:
        """Say something in its turn."""
        told = event.event if isinstance(event, OfChannel) else event
        if isinstance(told, Warning):
            self._context.metrics.warnings.labels(told.code).inc()
        self.audience.say(event)

    def warn_of_journal(self, message: str) -> None:
        """Say that nothing is written down for now."""
        self._warn("journal_unavailable", message)

    def _warn(self, code: str, message: str) -> None:
        self.say(Warning(self.pipeline.next_seq(), code, message))

    def _on_told(self, event: ServerEvent) -> None:
        is_last = isinstance(event, Error) and event.fatal and not self._is_draining
        if is_last or isinstance(event, Finished):
            self._end()


def check_gap(lost_samples: int, rate_hz: int) -> None:
    """Accept that so many samples are lost.

    Raises:
        ProtocolError: more than a session may miss.
    """
    if lost_samples > _MAX_GAP_S * rate_hz:
        raise ProtocolError(f"{lost_samples} sample frames were lost: at most {_MAX_GAP_S:g} s may be", "held_sample")


def _make_room(context: SessionContext) -> None:
    """Let a session go, where too many wait for their clients: of the key with most, that which has waited longest."""
    waiting = [session for session in context.live.values() if session.is_waiting]
    most = context.settings.session.max_waiting
    if most is not None and len(waiting) > most:
        owned = Counter(session.subject.owner for session in waiting)
        longest = min(waiting, key=lambda session: (-owned[session.subject.owner], session.audience.absent_since))
        longest.give_up("too many sessions wait for their clients")


def _opening(session_id: str, subject: SessionInfo, start: Start, token: str | None) -> Opening:
    known = subject.dialect, subject.owner, subject.opened_s, subject.about()
    if token is None:
        return Opening(session_id, *known, start=None, token_digest=None)
    return Opening(session_id, *known, start=str(NativeClientCodec().send(start)[0]), token_digest=digest_of(token))


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


def _log_closed(session_id: str, outcome: str, pipeline: ChannelPipelines) -> None:
    heard_s = pipeline.audio_end_sample / SAMPLE_RATE_HZ
    logger.info(
        "session closed session=%s outcome=%s audio_s=%.1f finals=%d", session_id, outcome, heard_s, pipeline.finals
    )
