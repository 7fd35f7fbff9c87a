"""The sending half of one connection: queued events out, then the close frame."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import anyio

from gateway.delivery.send_queue import SendQueue
from gateway.errors import Disconnected, SlowReader, reply_to
from gateway.metrics import Metrics
from gateway.transport import Transport
from gateway.wire import Codec, Error, Final, ServerEvent
from gateway.wire.server_events import channel_of
from vad.errors import LivecueError

__all__ = ["ConnectionWriter", "fail_within"]

_NORMAL_CLOSURE = 1000

_CLOSE_TIMEOUT_S = 1.0
"""A client that reads gets the close frame at once; do not wait for one that does not."""


class ConnectionWriter:
    """Sends the events of a queue at the client's pace, and closes the connection.

    Args:
        transport: open.
        codec: its dialect.
        queue: of the connection.
        send_timeout_s: longest time for one message.
        metrics: record the latency of finals.
    """

    def __init__(
        self, transport: Transport, codec: Codec, queue: SendQueue, send_timeout_s: float, metrics: Metrics
    ) -> None:
        self.is_closing = False
        """Whether the close frame has been sent, or is being sent."""
        self._transport = transport
        self._codec = codec
        self._queue = queue
        self._send_timeout_s = send_timeout_s
        self._metrics = metrics
        self._error: LivecueError | None = None

    @property
    def error(self) -> LivecueError | None:
        """Why the connection was closed; None: no error, or it is still open."""
        return self._error or self._queue.error

    async def next_sent(self) -> ServerEvent | None:
        """Send the oldest event, waiting for one, and return it; None: the queue is closed and empty.

        Raises:
            SlowReader: the client did not take a message in time.
            Disconnected: the client is gone.
        """
        event = await self._queue.get()
        if event is None:
            return None
        timeout_s = self._send_timeout_s
        for message in self._codec.send(event):
            with fail_within(timeout_s, SlowReader(f"the client read nothing for {timeout_s:g} s")):
                await self._transport.send(message)
        _, inner = channel_of(event)
        if isinstance(inner, Final):
            self._metrics.final(inner)
        return event

    async def close(self, error: LivecueError | None, last: Error | None = None) -> None:
        """Close the connection, without what is still queued.

        Args:
            error: why; None: a normal closure.
            last: event to send before the close frame.
        """
        self.is_closing, self._error = True, error
        code = reply_to(error).close_code if error else _NORMAL_CLOSURE
        with anyio.move_on_after(_CLOSE_TIMEOUT_S, shield=True), suppress(Disconnected):
            for message in self._codec.send(last) if last else ():
                await self._transport.send(message)
            await self._transport.close(code, error.code if error else "")


@contextmanager
def fail_within(seconds: float, error: LivecueError) -> Iterator[None]:
    """Raise an error when the block takes longer than so many seconds."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise error from None
