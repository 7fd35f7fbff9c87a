"""The client library: one session with a gateway, over as many connections as it takes.

await stream(partial(connect, "ws://127.0.0.1:8000"), Start(resumable=True), sound, on_event=print)
"""

from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass, field

import anyio

from clients.connection import Connect, Connection, ConnectionFailed
from clients.event_dedup import EventDeduplicator
from clients.reconnect import BackOff, Change, Outage
from clients.replay_buffer import ReplayBuffer
from gateway.wire import (
    Ack,
    Audio,
    ClientEvent,
    Error,
    Finished,
    Flush,
    LivecueError,
    Ready,
    Resume,
    ServerEvent,
    Start,
    Stop,
)
from gateway.wire.native.codec import NativeClientCodec

__all__ = ["CaptionStream", "Lost", "SessionFailed", "stream"]

_SEND_AHEAD_S = 45.0
"""Sound that may be unanswered. An utterance is, until its final: the longest one that can be set and the longest
endpoint silence take 40 s. Half of what a gateway takes for lag."""

_KEPT_LIVE_S = 120.0
"""Live sound kept while it cannot be sent: as long as connecting is tried. 23 MB of stereo at 48 kHz."""

_SESSION_NOT_FOUND = "session_not_found"


class SessionFailed(LivecueError):
    """The gateway ended the session.

    Attributes:
        error: what it said.
    """

    code = "session_failed"

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error


@dataclass(frozen=True, slots=True)
class Lost:
    """What becomes of a resumable session when the connection is lost.

    Attributes:
        is_live: whether the sound goes on meanwhile, and 120 s of it are kept; else its source waits.
        begins_anew: whether another session is begun where the gateway has lost this one; its times count from 0.
        on_change: called when the connection is lost, and when it is back.
        back_off: when another attempt to connect is made.
    """

    is_live: bool = False
    begins_anew: bool = False
    on_change: Callable[[Change], None] = lambda _: None
    back_off: BackOff = field(default_factory=BackOff)


class CaptionStream:
    """One session. `run` carries it on while other tasks say what is to be sent: its events make room for more.

    A session that is not resumable ends with its connection, for which `connect` is called once.

    Args:
        connect: opens a connection.
        start: what is coming, and what is wanted.
        lost: what is done when the connection is lost.
    """

    def __init__(self, connect: Connect, start: Start, lost: Lost | None = None) -> None:
        self._connect = connect
        self._start = start
        self._lost = lost or Lost()
        self._waits_for_room = not (start.resumable and self._lost.is_live)
        self._said = ReplayBuffer(start.audio, None if self._waits_for_room else _KEPT_LIVE_S)
        self._seen = EventDeduplicator()
        self._outage = Outage(self._lost.back_off, self._lost.on_change)
        self._ready: Ready | None = None
        """As the session introduced itself on its newest connection."""
        self._connected = anyio.Event()
        self._is_over = False
        self._changed = anyio.Event()

    async def connected(self) -> None:
        """Wait for the first connection, which may take as long as a gateway takes to load its model."""
        await self._connected.wait()

    async def send(self, data: bytes) -> None:
        """Say the next bytes of sound, waiting while 45 s of it are unanswered; live sound does not wait.

        Raises:
            ConnectionFailed: the session is over.
        """
        while self._waits_for_room and self._said.unanswered_s > _SEND_AHEAD_S and not self._is_over:
            await self._changed.wait()
        self._say(Audio(data))

    def flush(self, flush_id: str) -> None:
        """End the utterance now; `Flushed` of that id says when all sound so far has been answered."""
        self._seen.expect(flush_id)
        self._say(Flush(flush_id))

    def stop(self) -> None:
        """Say that no more sound comes; `Finished` will be the last event."""
        self._say(Stop())

    async def run(self, on_event: Callable[[ServerEvent], None]) -> None:
        """Report what the gateway says, each event once, up to and including `Finished`.

        Args:
            on_event: called with each event; it must not block.

        Raises:
            SessionFailed: the gateway ended the session with an error.
            ConnectionFailed: the connection cannot be made, or ended before the session did and is given up.
            ProtocolError: the gateway said something that is not of the dialect.
        """
        try:
            while (failure := await self._carry_on(on_event)) is not None:
                if self._may_begin_anew(failure):
                    self._ready = None
                    self._seen.begin_anew()
                    self._lost.on_change(Change.ANEW)
                elif isinstance(failure, ConnectionFailed) and failure.may_pass and self._is_resumable():
                    await self._outage.wait(failure)
                else:
                    raise failure
        finally:
            self._is_over = True
            self._wake()

    def _is_resumable(self) -> bool:
        """Return whether losing the connection is not the end; the first attempt to make one may be."""
        gateway_agrees = self._ready is None or self._ready.resume_token is not None
        return self._start.resumable and self._connected.is_set() and gateway_agrees

    def _may_begin_anew(self, failure: LivecueError) -> bool:
        is_unknown = isinstance(failure, SessionFailed) and failure.error.code == _SESSION_NOT_FOUND
        return self._lost.begins_anew and is_unknown and self._ready is not None

    async def _carry_on(self, on_event: Callable[[ServerEvent], None]) -> LivecueError | None:
        """Return why one connection ended; None: the session has finished."""
        failure: LivecueError | None = ConnectionFailed("sound that was to be sent has been dropped")
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

    # --- what is sent --------------------------------------------------------------------------------------------

    def _say(self, said: Audio | Flush | Stop) -> None:
        if self._is_over:
            raise ConnectionFailed("the session is over")
        self._said.add(said)
        self._wake()

    async def _write(self, connection: Connection, resumed: anyio.Event, scope: anyio.CancelScope) -> None:
        """Send what there is until the connection is lost; where something has been dropped, give it up."""
        codec = NativeClientCodec()

        async def send(event: ClientEvent) -> None:
            for message in codec.send(event):
                await connection.send(message)

        try:
            await send(self._first_words())
            if self._ready is not None:
                await resumed.wait()
            while not self._said.has_gap:
                if self._said.sent_ahead_s > _SEND_AHEAD_S or (said := self._said.take()) is None:
                    await self._changed.wait()
                else:
                    await send(said)
            scope.cancel()  # only a resume can say that there is a gap
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # the reader learns why

    def _first_words(self) -> Start | Resume:
        if self._ready is None or self._ready.resume_token is None:
            self._said.begin_anew()
            return self._start
        return Resume(self._ready.session_id, self._ready.resume_token, self._seen.seq, self._said.held_sample)

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    # --- what is heard -------------------------------------------------------------------------------------------

    async def _read(
        self, connection: Connection, resumed: anyio.Event, on_event: Callable[[ServerEvent], None]
    ) -> LivecueError | None:
        """Return why the connection ended; None: the session has finished."""
        codec = NativeClientCodec()
        failure: Error | None = None
        try:
            while True:
                for event in codec.receive(await connection.receive()):
                    self._note(event, resumed)
                    if isinstance(event, Error) and event.fatal:
                        failure = event
                    if self._seen.is_new(event):
                        self._outage.progress()
                        on_event(event)
                    if isinstance(event, Finished) and failure is None:
                        return None
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            return SessionFailed(failure) if failure else ConnectionFailed("the connection was lost")
        except LivecueError as error:
            return error

    def _note(self, event: ServerEvent, resumed: anyio.Event) -> None:
        match event:
            case Ready():
                if self._ready is not None:
                    self._said.go_on_from(event.next_sample)
                self._ready = event
                self._outage.back()
                resumed.set()
            case Ack(processed_samples=processed_samples):
                self._said.acked(processed_samples)
        self._wake()


async def stream(
    connect: Connect,
    start: Start,
    sound: AsyncIterable[bytes],
    on_event: Callable[[ServerEvent], None],
    lost: Lost | None = None,
) -> None:
    """Send all of a sound and report every event, until the session has finished.

    Args:
        connect: opens a connection; it is called again when that is lost and the session is resumable.
        start: the sound's format, and what is wanted.
        sound: bytes in that format, cut anywhere.
        on_event: called with each event; it must not block.
        lost: what is done when the connection is lost.

    Raises:
        SessionFailed: the gateway ended the session with an error.
        ConnectionFailed: the connection cannot be made, or was lost and is given up.
        LivecueError: whatever else `sound` raises.
    """
    session = CaptionStream(connect, start, lost)
    failures: list[LivecueError] = []  # a task group would wrap them

    async def send_all() -> None:
        await session.connected()  # live sound of before would be late for good
        try:
            async for data in sound:
                await session.send(data)
            session.stop()
        except ConnectionFailed:
            return  # the session learns why
        except LivecueError as error:
            failures.append(error)
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
