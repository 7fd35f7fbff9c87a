"""The client library: one session with a gateway, over any number of connections.

await stream(partial(connect, "ws://127.0.0.1:8000"), Start(resumable=True), audio, on_event=print)
"""

from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass, field

import anyio

from clients.connection import Connect, Connection, ConnectionFailed
from clients.event_dedup import EventDeduplicator
from clients.reconnect import BackOff, Change, Outage
from clients.replay_buffer import SEND_AHEAD_S, Buffered, ReplayBuffer
from gateway.wire import (
    Ack,
    Audio,
    ClientEvent,
    Error,
    Finished,
    Flush,
    KeepAlive,
    LivecueError,
    LostAudio,
    Ready,
    Resume,
    ServerEvent,
    Start,
    Stop,
)
from gateway.wire.native.codec import NativeClientCodec

__all__ = ["CaptionStream", "Lost", "SessionFailed", "stream"]

_KEPT_LIVE_S = 120.0
"""Live audio kept while it cannot be sent, for as long as retries last. 23 MB for stereo at 48 kHz."""

_KEEP_ALIVE_S = 20.0
"""Without audio to send, a message as often prevents the idle timeout of a gateway, which is 60 s by default."""

_SESSION_NOT_FOUND = "session_not_found"


class SessionFailed(LivecueError):
    """The gateway ended the session.

    Attributes:
        error: its last event.
    """

    code = "session_failed"

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error


@dataclass(frozen=True, slots=True)
class Lost:
    """Options for a resumable session whose connection is lost.

    Attributes:
        is_live: whether the audio continues meanwhile, of which 120 s are kept; if not, its source is paused.
        starts_new_session: whether a new session is begun if the gateway has lost this one; its times start at 0.
        on_change: called when the connection is lost, and when it is restored.
        back_off: timing of the retries.
    """

    is_live: bool = False
    starts_new_session: bool = False
    on_change: Callable[[Change], None] = lambda _: None
    back_off: BackOff = field(default_factory=BackOff)


class CaptionStream:
    """One session. `run` drives it while other tasks queue audio and controls; its events free the queue.

    A session that is not resumable ends with its connection; `connect` is then called only once.

    Args:
        connect: opens a connection.
        start: audio format and options.
        lost: options for a lost connection.
    """

    def __init__(self, connect: Connect, start: Start, lost: Lost | None = None) -> None:
        self._connect = connect
        self._start = start
        self._lost = lost or Lost()
        self._waits_for_room = not (start.resumable and self._lost.is_live)
        self._buffer = ReplayBuffer(start.audio, None if self._waits_for_room else _KEPT_LIVE_S)
        self._dedup = EventDeduplicator()
        self._outage = Outage(self._lost.back_off, self._lost.on_change)
        self._ready: Ready | None = None
        """From the newest connection."""
        self._connected = anyio.Event()
        self._is_over = False
        self._is_stopped = False
        """Whether all audio has been queued."""
        self._changed = anyio.Event()

    async def connected(self) -> None:
        """Wait for the first connection, which may take as long as the gateway loads its model."""
        await self._connected.wait()

    async def send(self, data: bytes) -> None:
        """Queue the next bytes of audio; wait while 45 s are unanswered, unless the audio is live.

        Raises:
            ConnectionFailed: the session is over.
        """
        while self._waits_for_room and self._buffer.unanswered_s > SEND_AHEAD_S and not self._is_over:
            await self._changed.wait()
        self._queue(Audio(data))

    def flush(self, flush_id: str) -> None:
        """End the utterance now; `Flushed` with that id follows when all audio so far has been answered."""
        self._dedup.expect(flush_id)
        self._queue(Flush(flush_id))

    def lost(self, samples: int) -> None:
        """Mark the next audio as silence in place of lost audio.

        Args:
            samples: length of that silence, at 16 kHz.
        """
        self._queue(LostAudio(samples))

    def stop(self) -> None:
        """End the audio; `Finished` will be the last event."""
        self._is_stopped = True
        self._queue(Stop())

    async def run(self, on_event: Callable[[ServerEvent], None]) -> None:
        """Report the gateway's events, each once, up to and including `Finished`.

        Args:
            on_event: called with each event; it must not block.

        Raises:
            SessionFailed: the gateway ended the session with an error.
            ConnectionFailed: the connection cannot be made, or was lost and retries timed out.
            ProtocolError: the gateway sent a message that is not of the dialect.
        """
        try:
            while (failure := await self._run_connection(on_event)) is not None:
                if self._may_start_new_session(failure):
                    self._ready = None
                    self._dedup.reset()
                    self._lost.on_change(Change.NEW_SESSION)
                elif isinstance(failure, ConnectionFailed) and failure.may_pass and self._is_resumable():
                    await self._outage.wait(failure)
                else:
                    raise failure
        finally:
            self._is_over = True
            self._wake()

    def _is_resumable(self) -> bool:
        """Return whether the session can survive a lost connection; it cannot before the first connection."""
        gateway_agrees = self._ready is None or self._ready.resume_token is not None
        return self._start.resumable and self._connected.is_set() and gateway_agrees

    def _may_start_new_session(self, failure: LivecueError) -> bool:
        is_unknown = isinstance(failure, SessionFailed) and failure.error.code == _SESSION_NOT_FOUND
        return self._lost.starts_new_session and is_unknown and self._ready is not None

    async def _run_connection(self, on_event: Callable[[ServerEvent], None]) -> LivecueError | None:
        """Return why one connection ended; None: the session has finished."""
        failure: LivecueError | None = ConnectionFailed("unsent audio has been dropped")
        try:
            async with self._connect() as connection, anyio.create_task_group() as tasks:
                self._connected.set()
                resumed = anyio.Event()
                tasks.start_soon(self._write, connection, resumed, tasks.cancel_scope)
                failure = await self._read(connection, resumed, on_event)
                tasks.cancel_scope.cancel()
        except ConnectionFailed as error:
            return error
        return failure

    # --- sending -------------------------------------------------------------------------------------------------

    def _queue(self, item: Buffered) -> None:
        if self._is_over:
            raise ConnectionFailed("the session is over")
        self._buffer.add(item)
        self._wake()

    async def _write(self, connection: Connection, resumed: anyio.Event, scope: anyio.CancelScope) -> None:
        """Send from the buffer until the connection is lost; close the connection if audio has been dropped."""
        codec = NativeClientCodec()

        async def send(event: ClientEvent) -> None:
            for message in codec.send(event):
                await connection.send(message)

        try:
            await send(self._first_message())
            if self._ready is not None:
                await resumed.wait()
            while not self._buffer.has_gap:
                if self._buffer.sent_ahead_s <= SEND_AHEAD_S and (item := self._buffer.take()) is not None:
                    await send(item)
                elif not await self._changes_soon() and not self._is_stopped:
                    await send(KeepAlive())
            scope.cancel()  # only a resume can report a gap
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # the reading task learns why

    def _first_message(self) -> Start | Resume:
        if self._ready is None or self._ready.resume_token is None:
            self._buffer.restart()
            return self._start
        return Resume(self._ready.session_id, self._ready.resume_token, self._dedup.seq, self._buffer.held_sample)

    async def _changes_soon(self) -> bool:
        """Wait for a change, and return whether there was one before the next keepalive is due."""
        with anyio.move_on_after(_KEEP_ALIVE_S):
            await self._changed.wait()
            return True
        return False

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    # --- receiving -----------------------------------------------------------------------------------------------

    async def _read(
        self, connection: Connection, resumed: anyio.Event, on_event: Callable[[ServerEvent], None]
    ) -> LivecueError | None:
        """Return why the connection ended; None: the session has finished."""
        codec = NativeClientCodec()
        failure: Error | None = None
        try:
            while True:
                for event in codec.receive(await connection.receive()):
                    self._handle(event, resumed)
                    if isinstance(event, Error) and event.fatal:
                        failure = event
                    if self._dedup.is_new(event):
                        self._outage.progress()
                        on_event(event)
                    if isinstance(event, Finished) and failure is None:
                        return None
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            return SessionFailed(failure) if failure else ConnectionFailed("the connection was lost")
        except LivecueError as error:
            return error

    def _handle(self, event: ServerEvent, resumed: anyio.Event) -> None:
        match event:
            case Ready():
                if self._ready is not None:
                    self._buffer.rewind_to(event.next_sample)
                self._ready = event
                self._outage.restored()
                resumed.set()
            case Ack(processed_samples=processed_samples):
                self._buffer.acked(processed_samples)
        self._wake()


async def stream(
    connect: Connect,
    start: Start,
    audio: AsyncIterable[bytes | Flush | LostAudio],
    on_event: Callable[[ServerEvent], None],
    lost: Lost | None = None,
) -> None:
    """Send all audio and report every event, until the session has finished.

    Args:
        connect: opens a connection; it is called again after a lost connection if the session is resumable.
        start: audio format and options.
        audio: bytes in that format, cut anywhere, flushes, and marks of lost audio.
        on_event: called with each event; it must not block.
        lost: options for a lost connection.

    Raises:
        SessionFailed: the gateway ended the session with an error.
        ConnectionFailed: the connection cannot be made, or was lost and retries timed out.
        LivecueError: any other error that `audio` raises.
    """
    session = CaptionStream(connect, start, lost)
    failures: list[LivecueError] = []  # a task group would wrap them

    async def send_all() -> None:
        if (failure := await _send_all(session, audio)) is not None:
            failures.append(failure)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send_all)
        try:
            await session.run(on_event)
        except LivecueError as error:
            failures.append(error)
        tasks.cancel_scope.cancel()
    if failures:
        raise failures[0]


async def _send_all(session: CaptionStream, audio: AsyncIterable[bytes | Flush | LostAudio]) -> LivecueError | None:
    """Send all audio and the stop, and return the error of its source; None: it has ended, or the session has."""
    await session.connected()  # live audio from before would stay late
    try:
        async for item in audio:
            if isinstance(item, Flush):
                session.flush(item.flush_id)
            elif isinstance(item, LostAudio):
                session.lost(item.samples)
            else:
                await session.send(item)
        session.stop()
    except ConnectionFailed:
        return None  # `run` raises the reason
    except LivecueError as error:
        return error
    return None
