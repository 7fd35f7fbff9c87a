"""The client library: one session with a gateway.

async with connect("ws://127.0.0.1:8000") as connection:
    await stream(connection, Start(), sound, on_event=print)
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable

import anyio

from clients.connection import Connection, ConnectionFailed
from gateway.wire import Ack, Audio, Error, Finished, Flush, LivecueError, ServerEvent, Start, Stop
from gateway.wire.native import NativeClientCodec

__all__ = ["CaptionStream", "SessionFailed", "stream"]

_SEND_AHEAD_S = 45.0
"""Sound that may be unanswered. An utterance is, until its final: the longest one that can be set and the longest
endpoint silence take 40 s. Half of what a gateway takes for lag."""


class SessionFailed(LivecueError):
    """The gateway ended the session.

    Attributes:
        error: what it said.
    """

    code = "session_failed"

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error


class CaptionStream:
    """One session over an open connection. `events` must be read while sound is sent: its acks make room for more.

    Args:
        connection: fresh.
        start: what is coming, and what is wanted.
    """

    def __init__(self, connection: Connection, start: Start) -> None:
        self._connection = connection
        self._codec = NativeClientCodec()
        self._start = start
        audio = start.audio
        self._bytes_per_second = audio.sample_rate_hz * audio.bytes_per_sample_frame
        self._bytes_per_sample_frame = audio.bytes_per_sample_frame
        self._sent_bytes = 0
        self._processed_bytes = 0
        self._progress = anyio.Event()

    async def open(self) -> None:
        """Say start."""
        await self._send(self._start)

    async def send(self, data: bytes) -> None:
        """Send the next bytes of sound, waiting while 45 s of it are unanswered.

        Raises:
            ConnectionFailed: the gateway is gone.
        """
        while self._sent_bytes - self._processed_bytes > _SEND_AHEAD_S * self._bytes_per_second:
            self._progress = anyio.Event()
            await self._progress.wait()
        await self._send(Audio(data))
        self._sent_bytes += len(data)

    async def flush(self, flush_id: str) -> None:
        """End the utterance now; `Flushed` of that id says when all sound so far has been answered."""
        await self._send(Flush(flush_id))

    async def stop(self) -> None:
        """Say that no more sound comes; `Finished` will be the last event."""
        await self._send(Stop())

    async def events(self) -> AsyncIterator[ServerEvent]:
        """Yield what the gateway says, up to and including `Finished`.

        Raises:
            SessionFailed: the gateway ended the session with an error.
            ConnectionFailed: the connection ended before the session did.
            ProtocolError: the gateway said something that is not of the dialect.
        """
        failure: Error | None = None
        while True:
            try:
                message = await self._connection.receive()
            except anyio.EndOfStream:
                raise SessionFailed(failure) if failure else ConnectionFailed("the connection was lost") from None
            for event in self._codec.receive(message):
                if isinstance(event, Ack):
                    self._processed_bytes = event.processed_samples * self._bytes_per_sample_frame
                    self._progress.set()
                if isinstance(event, Error) and event.fatal:
                    failure = event
                yield event
                if isinstance(event, Finished) and failure is None:
                    return

    async def _send(self, event: Start | Audio | Flush | Stop) -> None:
        try:
            for message in self._codec.send(event):
                await self._connection.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise ConnectionFailed("the connection was lost") from error


async def stream(
    connection: Connection, start: Start, sound: AsyncIterable[bytes], on_event: Callable[[ServerEvent], None]
) -> None:
    """Send all of a sound and report every event, until the session has finished.

    Args:
        connection: fresh.
        start: the sound's format, and what is wanted.
        sound: bytes in that format, cut anywhere.
        on_event: called with each event; it must not block.

    Raises:
        SessionFailed: the gateway ended the session with an error.
        ConnectionFailed: the connection was lost.
        LivecueError: whatever else `sound` raises.
    """
    session = CaptionStream(connection, start)
    failures: list[LivecueError] = []  # a task group would wrap them

    async def send_all() -> None:
        try:
            async for data in sound:
                await session.send(data)
            await session.stop()
        except ConnectionFailed:
            return  # the reader learns why
        except LivecueError as error:
            failures.append(error)
            tasks.cancel_scope.cancel()

    await session.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send_all)
        try:
            async for event in session.events():
                on_event(event)
        except LivecueError as error:
            failures.append(error)
        tasks.cancel_scope.cancel()
    if failures:
        raise failures[0]
