"""Wyoming over TCP: connections in, one session for each answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from socket import AF_INET, AF_INET6, create_server, socket
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream

from decoder.languages import LANGUAGE_NAMES
from gateway.access.authenticator import Caller
from gateway.access.origin import is_loopback
from gateway.errors import ConfigurationError, Disconnected, IdleTimeout
from gateway.runtime import Gateway, serve
from gateway.settings import ServerSettings
from gateway.wire import DialectReply
from gateway.wire.wyoming.codec import AsrProgram, WyomingCodec, error_frame
from gateway.wire.wyoming.framing import ANSWER_FRAMES, Framer, frame_type
from vad.errors import LivecueError

__all__ = ["bind_wyoming", "serve_wyoming", "wyoming_url"]

_NORMAL_CLOSURE = 1000
"""As of a WebSocket: the session has said everything, and the connection may go on with another."""

_LINGER_S = 1.0
"""A peer that is still sending gets so long to read why it is refused; closing at once would throw that away."""


def bind_wyoming(server: ServerSettings) -> socket | None:
    """Return the listening socket of the address in the settings, or None where there is none.

    Raises:
        ConfigurationError: it is no such address, is taken, or may not be served: the protocol has no keys.
    """
    if server.wyoming is None:
        return None
    where = f"server.wyoming = {server.wyoming!r}"
    try:
        url = urlsplit(server.wyoming)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    if url.scheme != "tcp" or host is None or port is None:
        raise ConfigurationError(f"{where}: expected tcp://HOST:PORT")
    if not (server.insecure or is_loopback(host)):
        raise ConfigurationError(f"{where}: Wyoming has no API keys, so anybody there could use it; say --insecure")
    try:
        return create_server((host, port), family=AF_INET6 if ":" in host else AF_INET)
    except OSError as error:
        raise ConfigurationError(f"{where}: {error.strerror or error}") from error


def wyoming_url(listener: socket) -> str:
    """Return the URL that a listening socket is reached at."""
    host, port = listener.getsockname()[:2]
    return f"tcp://{f'[{host}]' if ':' in host else host}:{port}"


@asynccontextmanager
async def serve_wyoming(gateway: Gateway, listener: socket | None) -> AsyncIterator[None]:
    """Serve the connections of a listening socket, where there is one, while the block lasts."""
    if listener is None:
        yield
        return
    async with await SocketListener.from_socket(listener) as connections, anyio.create_task_group() as tasks:
        tasks.start_soon(connections.serve, _Server(gateway).serve)
        yield
        tasks.cancel_scope.cancel()


class _Server:
    """Serves each connection, and holds a place for it as for any other session."""

    def __init__(self, gateway: Gateway) -> None:
        info = gateway.sessions.engine
        languages = info.languages or tuple(LANGUAGE_NAMES)  # one that does not say is taken for Whisper
        self._program = AsrProgram(version("livecue"), info.engine, info.model, languages)
        self._gateway = gateway
        self._settings = gateway.settings.session

    async def serve(self, stream: SocketStream) -> None:
        connection = _Connection(stream)
        caller = Caller(None, str(stream.extra(SocketAttribute.remote_address)[0]))  # noqa: S610  # not of Django
        async with stream:
            try:
                with self._gateway.admission.enter(caller):
                    await self._converse(connection, caller)
            except Disconnected:
                return
            except LivecueError as error:
                self._gateway.sessions.metrics.refused.labels(error.code).inc()
                await connection.leave(error_frame(error.code, str(error)))
            else:
                await connection.leave()

    async def _converse(self, connection: "_Connection", caller: Caller) -> None:
        limit_s = self._settings.start_timeout_s  # one that never sends anything holds its place no longer
        while True:
            drain = self._gateway.sessions.drain
            drain.check()
            try:
                with anyio.fail_after(limit_s) as patience, drain.calling(patience.cancel):
                    frame = await connection.peek()
                    limit_s = self._settings.idle_timeout_s
                    if frame_type(frame) not in ANSWER_FRAMES:
                        await self._answer(connection, connection.take())
                        continue
            except TimeoutError:
                raise IdleTimeout(f"no frame within {limit_s:g} s") from None
            if patience.cancel_called:
                continue
            codec, transport = WyomingCodec(self._program), _SessionTransport(connection)
            await serve(self._gateway, transport, codec, "wyoming", caller)
            if codec.has_failed or transport.close_code != _NORMAL_CLOSURE:
                return

    async def _answer(self, connection: "_Connection", frame: bytes) -> None:
        for event in WyomingCodec(self._program).receive(frame):
            if isinstance(event, DialectReply) and isinstance(event.message, bytes):
                await connection.send(event.message)


class _Connection:
    """A TCP connection, frame by frame."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._framer = Framer()
        self._next: bytes | None = None

    async def peek(self) -> bytes:
        """Return the next frame, and leave it there. Nothing is lost when this is cancelled.

        Raises:
            Disconnected: the peer is gone.
            ProtocolError: what it sends is no frame.
        """
        while self._next is None:
            self._next = self._framer.pop()
            if self._next is None:
                self._framer.push(await self._receive())
        return self._next

    def take(self) -> bytes:
        """Return the frame that was looked at, and leave it behind."""
        assert self._next is not None, "only what was looked at is taken"
        frame, self._next = self._next, None
        return frame

    async def send(self, message: str | bytes) -> None:
        """Send one frame, waiting while the peer does not read.

        Raises:
            Disconnected: the peer is gone.
        """
        assert isinstance(message, bytes), "frames are bytes"
        try:
            await self._stream.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise Disconnected("the peer is gone") from error

    async def leave(self, message: bytes | None = None) -> None:
        """Say the last word, where there is one, and let the peer read it."""
        with anyio.move_on_after(_LINGER_S):
            try:
                if message is not None:
                    await self.send(message)
                await self._stream.send_eof()
                while True:
                    await self._receive()
            except (Disconnected, OSError):
                pass

    async def _receive(self) -> bytes:
        try:
            return await self._stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise Disconnected("the peer closed") from error


class _SessionTransport:
    """One answer's share of a connection: frames up to `audio-stop`, and the answer to them."""

    def __init__(self, connection: _Connection) -> None:
        self.close_code: int | None = None
        self._connection = connection
        self._has_stopped = False

    async def receive(self) -> bytes:
        """Return the next frame; those of the next answer stay where they are until this one is given."""
        try:
            kind = frame_type(await self._connection.peek())
        except Disconnected:
            if self._has_stopped:  # a peer may close its half of the connection and still read
                await anyio.sleep_forever()
            raise
        if self._has_stopped and kind in ANSWER_FRAMES:
            await anyio.sleep_forever()
        self._has_stopped = self._has_stopped or kind == "audio-stop"
        return self._connection.take()

    async def send(self, message: str | bytes) -> None:
        """Send one frame."""
        await self._connection.send(message)

    async def close(self, code: int, reason: str) -> None:
        """Note why the session is over; the connection may outlive it."""
        self.close_code = code
