"""Wyoming over TCP: each connection carries one session after the other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from socket import AF_INET, AF_INET6, create_server, socket
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream

from decoder.languages import LANGUAGE_NAMES
from gateway.access.caller import Caller
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
"""As of a WebSocket: the session has finished, and the connection can continue with another."""

_LINGER_S = 1.0
"""Time for a peer that is still sending to read an error; closing at once would discard it."""


def bind_wyoming(server: ServerSettings) -> socket | None:
    """Return a socket that listens on the address of the settings; None: not set.

    Raises:
        ConfigurationError: the address is invalid, taken, or not loopback without `insecure`.
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
        raise ConfigurationError(
            f"{where}: Wyoming has no API keys, so anyone there could use it; use --insecure to allow that"
        )
    try:
        return create_server((host, port), family=AF_INET6 if ":" in host else AF_INET)
    except OSError as error:
        raise ConfigurationError(f"{where}: {error.strerror or error}") from error


def wyoming_url(listener: socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"tcp://{f'[{host}]' if ':' in host else host}:{port}"


@asynccontextmanager
async def serve_wyoming(gateway: Gateway, listener: socket | None) -> AsyncIterator[None]:
    """Serve the connections of a listening socket, if there is one, while the block lasts."""
    if listener is None:
        yield
        return
    async with await SocketListener.from_socket(listener) as connections, anyio.create_task_group() as tasks:
        tasks.start_soon(connections.serve, _Server(gateway).serve)
        yield
        tasks.cancel_scope.cancel()


class _Server:
    """Serves connections, each with a slot as for any other session."""

    def __init__(self, gateway: Gateway) -> None:
        info = gateway.sessions.engine
        languages = info.languages or tuple(LANGUAGE_NAMES)  # an engine without a list is assumed to be Whisper
        self._program = AsrProgram(version("livecue"), info.engine, info.model, languages)
        self._gateway = gateway
        self._settings = gateway.settings.session

    async def serve(self, stream: SocketStream) -> None:
        connection = _Connection(stream)
        caller = Caller(None, str(stream.extra(SocketAttribute.remote_address)[0]))  # noqa: S610  # not of Django
        async with stream:
            try:
                self._gateway.audit.check()
                with self._gateway.admission.enter(caller):
                    await self._serve_sessions(connection, caller)
            except Disconnected:
                return
            except LivecueError as error:
                self._gateway.sessions.metrics.refused.labels(error.code).inc()
                await connection.finish(error_frame(error.code, str(error)))
            else:
                await connection.finish()

    async def _serve_sessions(self, connection: "_Connection", caller: Caller) -> None:
        limit_s = self._settings.start_timeout_s  # limits how long a connection without a frame holds its slot
        while True:
            drain = self._gateway.sessions.drain
            drain.check()
            try:
                with anyio.fail_after(limit_s) as timeout, drain.calling(timeout.cancel):
                    frame = await connection.peek()
                    limit_s = self._settings.idle_timeout_s
                    if frame_type(frame) not in ANSWER_FRAMES:
                        await self._answer(connection, connection.take())
                        continue
            except TimeoutError:
                raise IdleTimeout(f"no frame within {limit_s:g} s") from None
            if timeout.cancel_called:
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
    """A TCP connection that carries frames."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._framer = Framer()
        self._next: bytes | None = None

    async def peek(self) -> bytes:
        """Return the next frame without removing it. Cancel-safe.

        Raises:
            Disconnected: the peer is gone.
            ProtocolError: the peer sent a malformed frame.
        """
        while self._next is None:
            self._next = self._framer.pop()
            if self._next is None:
                self._framer.push(await self._receive())
        return self._next

    def take(self) -> bytes:
        """Remove and return the frame that `peek` returned."""
        assert self._next is not None, "peek comes first"
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

    async def finish(self, message: bytes | None = None) -> None:
        """Send a last message, if any, and give the peer time to read it."""
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
            raise Disconnected("the peer closed the connection") from error


class _SessionTransport:
    """The part of a connection that belongs to one session: frames up to `audio-stop`, and the reply to them."""

    def __init__(self, connection: _Connection) -> None:
        self.close_code: int | None = None
        self._connection = connection
        self._has_stopped = False

    async def receive(self) -> bytes:
        """Return the next frame; frames of the next session stay queued until this one has finished."""
        try:
            kind = frame_type(await self._connection.peek())
        except Disconnected:
            if self._has_stopped:  # a peer may close its sending half and still read
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
        """Note the close code; the connection may outlive the session."""
        self.close_code = code
