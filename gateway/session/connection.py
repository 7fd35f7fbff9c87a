"""One connection, one task group: messages between a transport and a session."""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from gateway.delivery.broadcast import SessionInfo
from gateway.delivery.send_queue import SendQueue
from gateway.errors import (
    Disconnected,
    Draining,
    IdleTimeout,
    InsufficientCredits,
    SlowReader,
    StartTimeout,
    Unauthorized,
    Unavailable,
    field_of,
    reply_to,
)
from gateway.session.audio_intake import Charge
from gateway.session.client_input import ClientInput
from gateway.session.context import SessionContext
from gateway.session.idle_watch import IdleWatch
from gateway.session.resume import resume_session
from gateway.session.session import Session
from gateway.session.stats import SessionCounts
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
    ProtocolError,
    Resume,
    ServerEvent,
    Start,
    Stop,
    Update,
)
from gateway.wire.server_events import channel_of
from vad.errors import LivecueError

__all__ = ["Connection"]

logger = logging.getLogger("livecue.session")

_NORMAL_CLOSURE = 1000

_CLOSE_TIMEOUT_S = 1.0
"""A client that reads gets a close frame at once; one that does not is not worth more."""

_ANONYMOUS = SessionInfo("native", None, 0.0)


class _Phase(Enum):
    """How far a connection is; it only advances."""

    STARTING = auto()
    """No start or resume message has come."""
    SERVING = auto()
    """It has a session, or resumes one."""
    CLOSING = auto()
    """The close frame has been sent, or is being sent."""


class Connection:
    """Serves one connection from its first message to its close.

    Three tasks: the reader never waits for the engine or the writer, so that every message is seen at once; the writer
    empties the send queue at the client's pace; a watch ends the connection when the client falls silent.

    Args:
        transport: open.
        codec: its dialect.
        context: what sessions share.
        charge: who pays.
        info: what is known of the session that it opens.
    """

    def __init__(
        self,
        transport: Transport,
        codec: Codec,
        context: SessionContext,
        charge: Charge = lambda audio_s: None,
        info: SessionInfo = _ANONYMOUS,
    ) -> None:
        self._transport = transport
        self._codec = codec
        self._context = context
        self._charge = charge
        self._info = info
        self._settings = context.settings.session
        self._queue = SendQueue(self._settings.outbox_max_events)
        self._phase = _Phase.STARTING
        self._session: Session | None = None
        self._input: ClientInput | None = None
        """Into the session."""
        self._resume: Resume | None = None
        self._error: LivecueError | None = None
        """Why it is closed without another word; None: the queue knows."""
        self._idle_watch = IdleWatch(self._settings.idle_timeout_s, self._settings.unused_timeout_s)
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
            error = LivecueError("the gateway failed")
            await self._close(error, Error(0, error.code, str(error), fatal=True))
        finally:
            self._leave()
        if self._session is not None and not self._session.is_resumable:
            await self._session.closed.wait()

    def _leave(self) -> None:
        self._context.metrics.cues_replaced.inc(self._queue.replaced)
        error = self._error or self._queue.error
        if self._session is not None:
            self._session.detach(self._queue, error or Disconnected("the gateway is stopping"))
        elif error is not None:
            self._context.metrics.sessions_ended.labels(error.code).inc()

    async def _guarded(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run one of the tasks; an error that it raises is sent to the client and ends the session."""
        try:
            await task()
        except LivecueError as error:
            if self._phase is _Phase.CLOSING:  # the client's reaction to that is no error
                return
            # nobody receives an event, or the client shall come again and not take it for the end of the session
            if isinstance(error, Disconnected | SlowReader | IdleTimeout | Unavailable | Draining):
                await self._close(error)
                self._scope.cancel()
            elif self._session is None:
                self._queue.put(Error(1, error.code, str(error), fatal=True, field=field_of(error)))
                self._queue.close(error)
            else:
                self._session.fail(error)

    def _on_drain(self) -> None:
        if self._session is None:  # else the session drains
            self._queue.close(Draining("the gateway is stopping"))

    async def _write(self) -> None:
        while (event := await self._queue.get()) is not None:
            await self._send(event)
            _, inner = channel_of(event)
            if isinstance(inner, Final) and self._session is not None:
                self._context.metrics.final(inner)
                self._counts.bring_up(self._session.stats)
        await self._close(self._queue.error)
        self._scope.cancel()

    async def _send(self, event: ServerEvent) -> None:
        timeout_s = self._settings.send_timeout_s
        for message in self._codec.send(event):
            with _within(timeout_s, SlowReader(f"nothing was read for {timeout_s:g} s")):
                await self._transport.send(message)

    async def _close(self, error: LivecueError | None, last: Error | None = None) -> None:
        self._phase, self._error = _Phase.CLOSING, error
        code = reply_to(error).close_code if error else _NORMAL_CLOSURE
        with anyio.move_on_after(_CLOSE_TIMEOUT_S, shield=True), suppress(Disconnected):
            for message in self._codec.send(last) if last else ():
                await self._transport.send(message)
            await self._transport.close(code, error.code if error else "")

    async def _read(self) -> None:
        settings = self._settings
        with _within(settings.start_timeout_s, StartTimeout(f"no start message within {settings.start_timeout_s:g} s")):
            await self._handle_all(self._codec.open())
            while self._phase is _Phase.STARTING and not self._queue.is_closed:
                await self._handle_message(await self._receive())
        if self._resume is not None:
            self._context.drain.check()
            resumed = await resume_session(self._context, self._resume, self._queue, self._charge)
            if resumed is not None:
                self._session, self._input = resumed
                await self._input.fill_gap()
        while True:
            message = await self._receive()
            if self._accepts_messages:  # else only the client's close frame is of interest
                await self._handle_message(message)

    async def _receive(self) -> str | bytes:
        message = await self._transport.receive()
        self._idle_watch.note()
        return message

    async def _watch(self) -> None:
        """Close the connection of a client that is silent or does not read."""
        limit_s = await self._idle_watch.silence(self._queue, lambda: self._session is not None)
        if limit_s is None or self._session is None or not self._session.accepts_audio:
            return  # the queue is closed, or the client waits for the last finals
        error = IdleTimeout(f"no message within {limit_s:g} s")
        if self._session.is_resumable:  # the connection may be dead, and the client on its way back over another
            raise error
        self._session.end_early(error)

    @property
    def _accepts_messages(self) -> bool:
        """Whether messages matter: not after an error that ends the session, nor when the gateway is stopping."""
        is_closing = self._queue.is_closed or self._context.drain.has_begun
        return not is_closing and (self._session is None or self._session.accepts_messages)

    async def _handle_message(self, message: str | bytes) -> None:
        try:
            await self._handle_all(self._codec.receive(message))
        except ProtocolError as error:
            if self._input is None:
                raise
            self._input.reject(error)

    async def _handle_all(self, events: Sequence[ClientEvent]) -> None:
        for event in events:
            if self._accepts_messages:
                await self._handle(event)

    async def _handle(self, event: ClientEvent) -> None:
        match event:
            case Start():
                self._session = Session(self._context, event, self._info)
                self._input = self._session.open(self._queue, self._charge)
                self._phase = _Phase.SERVING
            case Resume():
                self._resume, self._phase = event, _Phase.SERVING
            case DialectReply(message) if self._input is None:
                self._queue.put(DialectMessage(message))
            case KeepAlive():
                pass
            case _:
                assert self._input is not None, "a codec lets nothing through before start"
                await self._pass_on(self._input, event)

    async def _pass_on(self, to: ClientInput, event: DialectReply | Audio | Update | Flush | Stop) -> None:
        match event:
            case DialectReply(message, remind_after_s):
                to.reply(DialectMessage(message))
                if remind_after_s is not None:
                    assert self._tasks is not None, "it reads"
                    self._tasks.start_soon(self._remind, to, message, remind_after_s)
            case Audio(data, channel):
                await self._push_audio(to, data, channel)
            case Update() | Flush() | Stop():
                to.handle(event)
            case _:
                assert_never(event)

    async def _push_audio(self, to: ClientInput, data: bytes, channel: int) -> None:
        try:
            await to.push_audio(data, channel)
        except (InsufficientCredits, Unauthorized) as error:
            assert self._session is not None, "it has an input"
            self._session.end_early(error)

    async def _remind(self, to: ClientInput, message: str | bytes | Note, after_s: float) -> None:
        await anyio.sleep(after_s)
        to.reply(DialectMessage(message, is_reminder=True))


@contextmanager
def _within(seconds: float, error: LivecueError) -> Iterator[None]:
    """Raise the error when the block takes longer."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise error from None
