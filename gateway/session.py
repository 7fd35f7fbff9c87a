"""One connection, one task group: bytes between a transport and a pipeline. All waiting of a session is here."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol, assert_never
from uuid import uuid4

import anyio
from anyio.lowlevel import checkpoint

from decoder.engine import EngineInfo
from decoder.scheduler import Answer, Scheduler
from decoder.types import DecodeRequest
from gateway.channels import ChannelPipelines
from gateway.errors import (
    Disconnected,
    IdleTimeout,
    InsufficientCredits,
    SlowReader,
    StartTimeout,
    Unauthorized,
    reply_to,
)
from gateway.metrics import Metrics, SessionCounts
from gateway.outbox import Outbox
from gateway.pipeline import Effect, PipelineSettings
from gateway.watching import Watching
from gateway.wire import (
    Audio,
    ClientEvent,
    Codec,
    Error,
    Final,
    Finished,
    Flush,
    KeepAlive,
    OfChannel,
    ProtocolError,
    Said,
    Say,
    ServerEvent,
    Start,
    Stop,
    Update,
    Warning,
)
from vad.audio import SAMPLE_RATE_HZ
from vad.errors import LivecueError

__all__ = ["Session", "SessionContext", "Transport"]

logger = logging.getLogger("livecue.session")

_SLICE_S = 0.5
"""Sound worked on between two looks at the other sessions: about 2 ms of voice activity detection."""

_NORMAL_CLOSURE = 1000

_IDLE_LOOKS = 4
"""Looks at a peer in the time that makes it idle, which is kept to a quarter therefore."""

_CLOSE_TIMEOUT_S = 1.0
"""A peer that reads gets a close frame at once; one that does not is not worth more."""


class Transport(Protocol):
    """One open connection, message by message."""

    async def receive(self) -> str | bytes:
        """Return the next message.

        Raises:
            Disconnected: the peer is gone.
        """
        ...

    async def send(self, message: str | bytes) -> None:
        """Send one message, waiting while the peer does not read.

        Raises:
            Disconnected: the peer is gone.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye; nothing happens where the peer is gone."""
        ...


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What a session shares with the others: the engine behind its scheduler, the settings, the metrics, the clock.

    Attributes:
        watching: is told each event as it happens, for those who watch the session.
    """

    scheduler: Scheduler
    engine: EngineInfo
    settings: PipelineSettings
    metrics: Metrics
    clock: Callable[[], float]
    watching: Watching = field(default_factory=Watching)


class Session:
    """Serves one connection from its start message to its close.

    Four tasks: the reader hears the peer and never waits for the engine or the writer, so that what the peer sends is
    seen at once; another takes what the engine answers; the writer empties the outbox at the peer's pace; a watch ends
    the session when the peer falls silent.

    Args:
        transport: the open connection.
        codec: its dialect.
        context: what is shared with other sessions.
        charge: called with the seconds of sound just heard; it raises `Unauthorized` or `InsufficientCredits` where no
            more may be heard.
    """

    def __init__(
        self,
        transport: Transport,
        codec: Codec,
        context: SessionContext,
        charge: Callable[[float], None] = lambda audio_s: None,
    ) -> None:
        self.session_id = uuid4().hex
        self._transport = transport
        self._codec = codec
        self._context = context
        self._charge = charge
        self._settings = context.settings.session
        self._outbox = Outbox(self._settings.outbox_max_events)
        self._answers: deque[Answer] = deque()
        """One for each request outstanding, at most."""
        self._answered = anyio.Event()
        self._pipeline: ChannelPipelines | None = None
        self._slice_bytes = 0
        self._error: LivecueError | None = None
        self._has_stopped = False
        self._has_said_goodbye = False
        self._messages = 0
        self._counts = SessionCounts(context.metrics)
        self._scope = anyio.CancelScope()

    async def run(self) -> None:
        """Serve until the session is over. Raises nothing but cancellation."""
        metrics = self._context.metrics
        metrics.sessions.inc()
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    for task in (self._read, self._watch_idle, self._take_answers, self._write):
                        tasks.start_soon(self._guarded, task)
        except Exception:  # a fault of ours ends this session and no other
            logger.exception("session failed session=%s", self.session_id)
            self._error = LivecueError("the gateway failed")
            await self._close(self._error_event(self._error, fatal=True))
        finally:
            for engine_session in self._pipeline.engine_sessions if self._pipeline else ():
                self._context.scheduler.forget(engine_session)
            outcome = self._error.code if self._error else "finished"
            metrics.sessions.dec()
            metrics.sessions_ended.labels(outcome).inc()
            metrics.cues_replaced.inc(self._outbox.replaced)
            heard_s = self._pipeline.heard_sample / SAMPLE_RATE_HZ if self._pipeline else 0.0
            finals = self._pipeline.finals if self._pipeline else 0
            logger.info(
                "session closed session=%s outcome=%s audio_s=%.1f finals=%d", self.session_id, outcome, heard_s, finals
            )

    async def _guarded(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run one of the tasks; an error that it raises is told to the peer and ends the session."""
        try:
            await task()
        except LivecueError as error:
            if self._has_said_goodbye:  # the peer's answer to it is no error
                return
            if isinstance(error, Disconnected | SlowReader):  # nobody listens: there is no use in an event
                self._error = error
                await self._close()
                self._scope.cancel()
            else:
                self._fail(error)
                self._outbox.close()

    def _fail(self, error: LivecueError) -> None:
        self._error = error
        with suppress(SlowReader):  # no room for the event: the close code says it
            self._emit(self._error_event(error, fatal=True))

    def _error_event(self, error: LivecueError, *, fatal: bool) -> Error:
        field = error.field if isinstance(error, ProtocolError) else None
        seq = self._pipeline.next_seq() if self._pipeline else 1
        return Error(seq, error.code, str(error), fatal, field)

    # --- the reader ----------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        settings = self._settings
        with _within(settings.start_timeout_s, StartTimeout(f"no start message within {settings.start_timeout_s:g} s")):
            await self._handle_all(self._codec.open())
            while self._pipeline is None:
                await self._handle_message(await self._transport.receive())
        while True:
            message = await self._transport.receive()
            self._messages += 1
            if self._error is None:  # after a fatal error only the peer's goodbye is of interest
                await self._handle_message(message)

    async def _watch_idle(self) -> None:
        """End the session of a silent peer. Counting messages now and then is cheaper than a timeout for each."""
        limit_s = self._settings.idle_timeout_s
        counted, quiet_looks = 0, 0
        while quiet_looks < _IDLE_LOOKS:
            await anyio.sleep(limit_s / _IDLE_LOOKS)
            is_quiet = self._pipeline is not None and counted == self._messages
            quiet_looks = quiet_looks + 1 if is_quiet else 0
            counted = self._messages
        # After stop it is the gateway's turn: a peer that waits for the last finals is not idle.
        if self._pipeline is not None and not self._has_stopped:
            self._end_early(self._pipeline, IdleTimeout(f"no message within {limit_s:g} s"))

    def _end_early(self, pipeline: ChannelPipelines, error: LivecueError) -> None:
        """Hear nothing more; what was heard is still answered."""
        self._has_stopped = True
        self._fail(error)
        self._apply(pipeline.stop(self._context.clock()))

    async def _handle_message(self, message: str | bytes) -> None:
        try:
            await self._handle_all(self._codec.receive(message))
        except ProtocolError as error:
            if self._pipeline is None:
                raise
            self._emit(self._error_event(error, fatal=False))

    async def _handle_all(self, events: Sequence[ClientEvent]) -> None:
        for event in events:
            if self._error is None:
                await self._handle(event)

    async def _handle(self, event: ClientEvent) -> None:
        if isinstance(event, Start):
            self._open(event)
            return
        if isinstance(event, Say):
            self._emit(Said(event.message))
            return
        pipeline, now_s = self._pipeline, self._context.clock()
        assert pipeline is not None, "a codec lets nothing through before start"
        match event:
            case Audio(data, channel):
                await self._hear(pipeline, data, channel)
            case Update(start):
                pipeline.update(start)
            case Flush(flush_id):
                self._apply(pipeline.flush(flush_id, now_s))
            case Stop():
                self._has_stopped = True
                self._apply(pipeline.stop(now_s))
            case KeepAlive():
                pass
            case _:
                assert_never(event)

    def _open(self, start: Start) -> None:
        context = self._context
        self._slice_bytes = round(start.audio.sample_rate_hz * _SLICE_S) * start.audio.bytes_per_sample_frame
        self._pipeline = ChannelPipelines(self.session_id, start, context.settings, context.engine)
        audio = start.audio
        logger.info(
            "session opened session=%s encoding=%s rate_hz=%d channels=%d language=%s",
            self.session_id,
            audio.encoding,
            audio.sample_rate_hz,
            audio.channels,
            start.language,
        )
        self._apply([self._pipeline.ready()])

    async def _hear(self, pipeline: ChannelPipelines, data: bytes, channel: int) -> None:
        """Hear a message of sound slice by slice, so that a large one delays no other session."""
        for start in range(0, len(data), self._slice_bytes):
            before = pipeline.heard_samples
            self._apply(pipeline.hear(data[start : start + self._slice_bytes], self._context.clock(), channel))
            heard_s = (pipeline.heard_samples - before) / SAMPLE_RATE_HZ
            self._context.metrics.audio_s.inc(heard_s)
            try:
                self._charge(heard_s)
            except (InsufficientCredits, Unauthorized) as error:
                self._end_early(pipeline, error)
                return
            if start + self._slice_bytes < len(data):
                await checkpoint()

    # --- the engine's answers ------------------------------------------------------------------------------------

    def _deliver(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._answered.set()

    async def _take_answers(self) -> None:
        while True:
            await self._answered.wait()
            self._answered = anyio.Event()
            while self._answers:
                assert self._pipeline is not None, "only a pipeline asks"
                self._apply(self._pipeline.answer(self._answers.popleft(), self._context.clock()))

    # --- the writer ----------------------------------------------------------------------------------------------

    def _apply(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, DecodeRequest):
                self._context.scheduler.submit(effect, self._deliver)
            else:
                self._emit(effect)

    def _emit(self, event: ServerEvent) -> None:
        told = event.event if isinstance(event, OfChannel) else event
        if isinstance(told, Warning):
            self._context.metrics.warnings.labels(told.code).inc()
        self._context.watching.tell(self.session_id, event)
        self._outbox.put(event)
        if isinstance(event, Finished):
            self._outbox.close()

    async def _write(self) -> None:
        timeout_s = self._settings.send_timeout_s
        while (event := await self._outbox.get()) is not None:
            for message in self._codec.send(event):
                with _within(timeout_s, SlowReader(f"nothing was read for {timeout_s:g} s")):
                    await self._transport.send(message)
            told = event.event if isinstance(event, OfChannel) else event
            if isinstance(told, Final):
                assert self._pipeline is not None, "only a pipeline makes finals"
                self._context.metrics.final(told)
                self._counts.bring_up(self._pipeline.eager, self._pipeline.guarded)
        await self._close()
        self._scope.cancel()

    async def _close(self, last: Error | None = None) -> None:
        self._has_said_goodbye = True
        code = reply_to(self._error).close_code if self._error else _NORMAL_CLOSURE
        with anyio.move_on_after(_CLOSE_TIMEOUT_S, shield=True), suppress(Disconnected):
            for message in self._codec.send(last) if last else ():
                await self._transport.send(message)
            await self._transport.close(code, self._error.code if self._error else "")


@contextmanager
def _within(seconds: float, error: LivecueError) -> Iterator[None]:
    """Raise the error when the block takes longer."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise error from None
