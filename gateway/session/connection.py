"""One connection, one task group: messages between a transport and a session."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from gateway.delivery.broadcast import SessionInfo
from gateway.delivery.event_publisher import Row
from gateway.delivery.send_queue import SendQueue
from gateway.errors import (
    Disconnected,
    Draining,
    IdleTimeout,
    ResumedElsewhere,
    SlowReader,
    StartTimeout,
    Unavailable,
    field_of,
    reply_to,
)
from gateway.metrics import SessionCounts
from gateway.session.pipeline_driver import Charge
from gateway.session.resume import resume_session
from gateway.session.session import Session, SessionContext
from gateway.transport import Transport
from gateway.wire import (
    Audio,
    ClientEvent,
    Codec,
    DialectMessage,
    DialectReply,
    Error,
    Final,
    Flush,
    KeepAlive,
    Note,
    OfChannel,
    ProtocolError,
    Ready,
    Resume,
    ServerEvent,
    Start,
    Stop,
    Update,
)
from vad.errors import LivecueError

__all__ = ["Connection"]

logger = logging.getLogger("livecue.session")

_NORMAL_CLOSURE = 1000

_IDLE_LOOKS = 4
"""Looks at a peer in the time that makes it idle, which is kept to a quarter therefore."""

_CLOSE_TIMEOUT_S = 1.0
"""A peer that reads gets a close frame at once; one that does not is not worth more."""

_NOBODY = SessionInfo("native", None, 0.0)


class Connection:
    """Serves one connection from its first message to its close.

    Three tasks: the reader hears the peer and never waits for the engine or the writer, so that what the peer sends is
    seen at once; the writer empties the outbox at the peer's pace; a watch ends it when the peer falls silent.

    Args:
        transport: open.
        codec: its dialect.
        context: what sessions share.
        charge: who pays.
        subject: what is known of the session that it opens.
    """

    def __init__(
        self,
        transport: Transport,
        codec: Codec,
        context: SessionContext,
        charge: Charge = lambda audio_s: None,
        subject: SessionInfo = _NOBODY,
    ) -> None:
        self._transport = transport
        self._codec = codec
        self._context = context
        self._charge = charge
        self._subject = subject
        self._settings = context.settings.session
        self._outbox = SendQueue(self._settings.outbox_max_events)
        self._missed: deque[Row] = deque()
        """What the peer is to be told right after the first event."""
        self._session: Session | None = None
        self._resume: Resume | None = None
        """What the peer has said in place of a start."""
        self._is_ending = False
        self._error: LivecueError | None = None
        self._has_said_goodbye = False
        self._messages = 0
        self._overflow: SlowReader | None = None
        self._overflowed = anyio.Event()
        self._counts = SessionCounts(context.metrics)
        self._scope = anyio.CancelScope()
        self._tasks: TaskGroup | None = None

    async def run(self) -> None:
        """Serve until the connection is over. Raises nothing but cancellation."""
        try:
            with self._scope, self._context.drain.calling(self._on_drain):
                async with anyio.create_task_group() as tasks:
                    self._tasks = tasks
                    for task in (self._read, self._watch, self._write):
                        tasks.start_soon(self._guarded, task)
        except Exception:  # a fault of ours ends this connection and no other
            logger.exception("connection failed session=%s", self._session.session_id if self._session else None)
            self._error = LivecueError("the gateway failed")
            await self._close(Error(0, self._error.code, str(self._error), fatal=True))
        finally:
            self._context.metrics.cues_replaced.inc(self._outbox.replaced)
            if self._session is not None:
                self._session.leave(self, self._error or Disconnected("the gateway stops"))
            elif self._error is not None:
                self._context.metrics.sessions_ended.labels(self._error.code).inc()
        if self._session is not None and self._session.audience.token is None:
            await self._session.closed.wait()

    async def _guarded(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run one of the tasks; an error that it raises is told to the peer and ends the session."""
        try:
            await task()
        except LivecueError as error:
            if self._has_said_goodbye:  # the peer's answer to it is no error
                return
            # nobody listens to an event, or shall come again and not take it for the end of the session
            if isinstance(error, Disconnected | SlowReader | IdleTimeout | Unavailable | Draining):
                self._error = error
                await self._close()
                self._scope.cancel()
            elif self._session is None:
                self.tell(Error(1, error.code, str(error), fatal=True, field=field_of(error)))
                self.end(error)
            else:
                self._session.fail(error)

    # --- what the session says -----------------------------------------------------------------------------------

    def welcome(self, ready: Ready, missed: Sequence[Row]) -> None:
        """Take the first event, and numbers and messages of those that are sent right after it."""
        self.tell(ready)
        self._missed.extend(missed)

    def tell(self, event: ServerEvent) -> None:
        """Take an event; a peer that reads too little is let go."""
        try:
            self._outbox.put(event)
        except SlowReader as error:
            self._overflow = error
            self._overflowed.set()

    def end(self, error: LivecueError | None) -> None:
        """Say goodbye once all has been sent."""
        self._is_ending = True
        self._error = error
        self._outbox.close()
        if isinstance(error, ResumedElsewhere):  # it is told to the other one
            self._missed.clear()

    def _on_drain(self) -> None:
        if self._session is None:  # one that there is is brought to its end
            self.end(Draining("the gateway stops"))

    async def _write(self) -> None:
        while (event := await self._outbox.get()) is not None:
            await self._send(event)
            while self._missed:
                _, message = self._missed.popleft()
                await self._send(DialectMessage(message))
            told = event.event if isinstance(event, OfChannel) else event
            if isinstance(told, Final) and self._session is not None:
                self._context.metrics.final(told)
                self._counts.bring_up(self._session.pipeline.eager, self._session.pipeline.guarded)
        await self._close()
        self._scope.cancel()

    async def _send(self, event: ServerEvent) -> None:
        timeout_s = self._settings.send_timeout_s
        for message in self._codec.send(event):
            with _within(timeout_s, SlowReader(f"nothing was read for {timeout_s:g} s")):
                await self._transport.send(message)

    async def _close(self, last: Error | None = None) -> None:
        self._has_said_goodbye = True
        code = reply_to(self._error).close_code if self._error else _NORMAL_CLOSURE
        with anyio.move_on_after(_CLOSE_TIMEOUT_S, shield=True), suppress(Disconnected):
            for message in self._codec.send(last) if last else ():
                await self._transport.send(message)
            await self._transport.close(code, self._error.code if self._error else "")

    # --- what the peer says --------------------------------------------------------------------------------------

    async def _read(self) -> None:
        settings = self._settings
        with _within(settings.start_timeout_s, StartTimeout(f"no start message within {settings.start_timeout_s:g} s")):
            await self._handle_all(self._codec.open())
            while self._session is None and self._resume is None and not self._is_ending:
                message = await self._transport.receive()
                self._messages += 1
                await self._handle_message(message)
        if self._resume is not None:
            self._context.drain.check()
            self._session = await resume_session(self._context, self._resume, self, self._charge)
        if self._session is not None:
            await self._session.hear_what_was_lost(self)
        while True:
            message = await self._transport.receive()
            self._messages += 1
            if self._is_heard:  # else only the peer's goodbye is of interest
                await self._handle_message(message)

    async def _watch(self) -> None:
        """Let a peer go that is silent, or does not read. Counting messages now and then costs less than timeouts."""
        idle_s = self._settings.idle_timeout_s
        counted, quiet_looks = 0, 0
        while quiet_looks < _IDLE_LOOKS:
            limit_s = idle_s if self._messages else min(idle_s, self._settings.unused_timeout_s)
            with anyio.move_on_after(limit_s / _IDLE_LOOKS):
                await self._overflowed.wait()
                assert self._overflow is not None, "that is why it is set"
                if self._is_ending:  # all but the last event is there to be sent, and the close code says the rest
                    return
                raise self._overflow
            is_quiet = self._session is not None and counted == self._messages
            quiet_looks = quiet_looks + 1 if is_quiet else 0
            counted = self._messages
        assert self._session is not None, "only a session makes looks quiet"
        error = IdleTimeout(f"no message within {limit_s:g} s")
        if self._session.has_stopped:  # it is the gateway's turn: a peer that waits for the last finals is not idle
            return
        if self._session.audience.token is not None:  # the connection may be dead, and the client at work on another
            raise error
        self._session.end_early(error)

    async def _handle_message(self, message: str | bytes) -> None:
        try:
            await self._handle_all(self._codec.receive(message))
        except ProtocolError as error:
            if self._session is None:
                raise
            self._session.say(self._session.error_event(error, fatal=False))

    async def _handle_all(self, events: Sequence[ClientEvent]) -> None:
        for event in events:
            if self._is_heard:
                await self._handle(event)

    @property
    def _is_heard(self) -> bool:
        """Whether what the peer says matters: not after an error that ends the session, nor when the gateway stops."""
        is_over = self._is_ending or self._context.drain.has_begun
        return not is_over and (self._session is None or self._session.error is None)

    async def _handle(self, event: ClientEvent) -> None:
        match event:
            case Start():
                session = Session(self._context, event, self._subject, self._charge)
                self._session = session
                session.open(self)
            case Resume():
                self._resume = event
            case DialectReply(message) if self._session is None:
                self.tell(DialectMessage(message))
            case KeepAlive():
                pass
            case _:
                assert self._session is not None, "a codec lets nothing through before start"
                await self._pass_on(self._session, event)

    async def _pass_on(self, session: Session, event: DialectReply | Audio | Update | Flush | Stop) -> None:
        match event:
            case DialectReply(message, remind_after_s):
                session.say(DialectMessage(message))
                if remind_after_s is not None:
                    assert self._tasks is not None, "it reads"
                    self._tasks.start_soon(self._remind, session, message, remind_after_s)
            case Audio(data, channel):
                await session.push_audio(self, data, channel)
            case Update() | Flush() | Stop():
                session.handle(event)
            case _:
                assert_never(event)

    async def _remind(self, session: Session, message: str | bytes | Note, after_s: float) -> None:
        await anyio.sleep(after_s)
        session.say(DialectMessage(message, is_reminder=True))


@contextmanager
def _within(seconds: float, error: LivecueError) -> Iterator[None]:
    """Raise the error when the block takes longer."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise error from None
