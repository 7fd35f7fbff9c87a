"""One connection: passes messages between a transport and a session."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from gateway.delivery.broadcast import SessionInfo
from gateway.delivery.send_queue import SendQueue
from gateway.errors import (
    Disconnected,
    Draining,
    ForbiddenAddress,
    IdleTimeout,
    InsufficientCredits,
    InsufficientScope,
    SlowReader,
    StartTimeout,
    Unauthorized,
    Unavailable,
    field_of,
)
from gateway.session.audio_intake import Charge
from gateway.session.caption_event import check_event, enter_event
from gateway.session.client_input import ClientInput
from gateway.session.connection_writer import ConnectionWriter, fail_within
from gateway.session.context import SessionContext
from gateway.session.idle_watch import IdleWatch
from gateway.session.resume import resume_session
from gateway.session.session import Session
from gateway.session.stats import SessionCounts
from gateway.session.traced_log import bind_logs
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
    LostAudio,
    Note,
    ProtocolError,
    Resume,
    Start,
    Stop,
    Update,
)
from gateway.wire.server_events import channel_of
from vad.errors import LivecueError

__all__ = ["Connection"]

logger = logging.getLogger("livecue.session")

_ANONYMOUS = SessionInfo("native", None, 0.0)


class Connection:
    """Serves one connection from its first message to its close.

    Three tasks: the reader never waits for the engine or the writer, so each message is handled at once; the writer
    sends the queued events at the client's pace; a watch ends the connection when the client sends nothing.

    Args:
        transport: open.
        codec: its dialect.
        context: shared by all sessions.
        charge: charges the client for its audio.
        info: metadata of the session that it opens.
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
        self._session: Session | None = None
        self._input: ClientInput | None = None
        self._resume: Resume | None = None
        self._idle_watch = IdleWatch(self._settings.idle_timeout_s, self._settings.unused_timeout_s)
        self._writer = ConnectionWriter(transport, codec, self._queue, self._settings.send_timeout_s, context.metrics)
        self._counts = SessionCounts(context.metrics)
        self._scope = anyio.CancelScope()
        self._tasks: TaskGroup | None = None

    async def run(self) -> None:
        """Serve until the connection is over. Raise nothing but cancellation."""
        try:
            with self._scope, self._context.drain.calling(self._on_drain):
                async with anyio.create_task_group() as tasks:
                    self._tasks = tasks
                    for task in (self._read, self._watch, self._write):
                        tasks.start_soon(self._guarded, task)
        except Exception:  # a bug ends this connection and no other
            logger.exception("connection failed session=%s", self._session.session_id if self._session else None)
            error = LivecueError("the gateway failed")
            await self._writer.close(error, Error(0, error.code, str(error), fatal=True))
        finally:
            self._leave()
        if self._session is not None and not self._session.is_resumable:
            await self._session.closed.wait()

    def _leave(self) -> None:
        self._context.metrics.cues_replaced.inc(self._queue.replaced)
        error = self._writer.error
        if self._session is not None:
            self._session.detach(self._queue, error or Disconnected("the gateway is stopping"))
        elif error is not None:
            self._context.metrics.sessions_ended.labels(error.code).inc()

    async def _guarded(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run one of the tasks; send an error that it raises to the client, and end the session with it."""
        try:
            await task()
        except LivecueError as error:
            if self._writer.is_closing:  # how the client reacts to the close frame is no error
                return
            # no error event: it would not arrive, or the client would take it for the end of a session it can resume
            if isinstance(error, Disconnected | SlowReader | IdleTimeout | Unavailable | Draining):
                await self._writer.close(error)
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
        while (event := await self._writer.next_sent()) is not None:
            if isinstance(channel_of(event)[1], Final) and self._session is not None:
                self._counts.update(self._session.stats)
                if self._session.trace is not None:
                    self._session.trace.sent(event, time.time())
        await self._writer.close(self._queue.error)
        self._scope.cancel()

    async def _read(self) -> None:
        timeout_s = self._settings.start_timeout_s
        with fail_within(timeout_s, StartTimeout(f"no start message within {timeout_s:g} s")):
            await self._handle_all(self._codec.open())
            while self._session is None and self._resume is None and not self._queue.is_closed:
                await self._handle_message(await self._receive())
        if self._resume is not None:
            self._context.drain.check()
            resumed = await resume_session(self._context, self._resume, self._queue, self._charge)
            if resumed is not None:
                self._session, self._input = resumed
                self._info.on_attach(self._session.session_id, True)
                bind_logs(self._session.session_id, self._session.trace)
                await self._input.fill_gap()
        while True:
            message = await self._receive()
            if self._accepts_messages:  # else wait for the client's close frame only
                await self._handle_message(message)

    async def _receive(self) -> str | bytes:
        message = await self._transport.receive()
        self._idle_watch.count_message()
        return message

    async def _watch(self) -> None:
        """Close the connection of a client that sends nothing or does not read."""
        limit_s = await self._idle_watch.idle(self._queue, lambda: self._session is not None)
        if limit_s is None or self._session is None or not self._session.accepts_audio:
            return  # the queue is closed, or the client waits for the last finals
        error = IdleTimeout(f"no message within {limit_s:g} s")
        if self._session.is_resumable:  # the connection may be dead, and the client may resume over another
            raise error
        self._session.end_early(error)

    @property
    def _accepts_messages(self) -> bool:
        """Whether messages are handled: not after an error that ends the session, nor while the gateway is stopping."""
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
                await self._open(event)
            case Resume():
                self._resume = event
            case DialectReply(message) if self._input is None:
                self._queue.put(DialectMessage(message))
            case KeepAlive():
                pass
            case _:
                assert self._input is not None, "codecs accept nothing else before start"
                await self._forward(self._input, event)

    async def _open(self, start: Start) -> None:
        is_at_event = await check_event(self._context, start.event, self._info.owner)
        info = replace(self._info, event=start.event) if is_at_event else self._info
        self._session = Session(self._context, start, info)
        self._input = self._session.open(self._queue, self._charge)
        self._info.on_attach(self._session.session_id, False)
        await enter_event(self._context, self._session, start.event)

    async def _forward(self, to: ClientInput, event: DialectReply | Audio | Update | Flush | LostAudio | Stop) -> None:
        match event:
            case DialectReply(message, remind_after_s):
                to.reply(DialectMessage(message))
                if remind_after_s is not None:
                    assert self._tasks is not None, "the reader runs in it"
                    self._tasks.start_soon(self._remind, to, message, remind_after_s)
            case Audio(data, channel):
                await self._push_audio(to, data, channel)
            case LostAudio(samples):
                to.mark_gap(samples)
            case Update() | Flush() | Stop():
                to.handle(event)
            case _:
                assert_never(event)

    async def _push_audio(self, to: ClientInput, data: bytes, channel: int) -> None:
        try:
            await to.push_audio(data, channel)
        except (InsufficientCredits, Unauthorized, InsufficientScope, ForbiddenAddress) as error:
            assert self._session is not None, "its input exists"
            self._session.end_early(error)

    async def _remind(self, to: ClientInput, message: str | bytes | Note, after_s: float) -> None:
        await anyio.sleep(after_s)
        to.reply(DialectMessage(message, is_reminder=True))
