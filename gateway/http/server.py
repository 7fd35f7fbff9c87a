"""uvicorn with timeouts and limits that apply before the application sees a request."""

import asyncio
import json
import logging
from http import HTTPStatus

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

from gateway.access.api_keys import TokenBucket
from gateway.errors import (
    HeadersTooLong,
    IdleTimeout,
    InvalidRequest,
    Overloaded,
    RateLimited,
    RequestLineTooLong,
    error_body,
    reply_to,
)
from gateway.http.connection_limits import ConnectionLimiter, allowed_connections
from gateway.http.tls import Certificate
from gateway.settings import Settings
from vad.errors import LivecueError

__all__ = ["ServerConfig"]

logger = logging.getLogger("livecue.server")

_MAX_LINE_BYTES = 8_000
"""Of a request line or a header: a little below 8192, where the WebSocket library fails without a response."""

_MAX_HEAD_BYTES = 32_768

_MAX_HEADERS = 100
"""The WebSocket library allows 128; browsers send 20."""

_SMALL_FRAME_BYTES = 16
"""Useful audio and messages are larger: such frames cost more than they carry."""

_SMALL_FRAMES_PER_MINUTE = 12_000
"""200 per second, with bursts of a minute's worth: more than any client needs."""

_LINGER_S = 1.0
"""How long a peer that is still sending may read the error response."""

_MAX_UNSENT_BYTES = 65_536
"""Unsent data above which pings are not answered (RFC 6455 §5.5.3 requires only the newest pong)."""

_POLICY_VIOLATION = 1008

_MAX_PATH_CHARS = 100
"""Of a path, in the log."""

_HEAD_END = b"\r\n\r\n"

_silent = logging.getLogger("livecue.websockets")
"""For the WebSocket library, which logs a traceback for each failed handshake."""
_silent.addHandler(logging.NullHandler())
_silent.propagate = False
_silent.setLevel(logging.CRITICAL + 1)


class ServerConfig(uvicorn.Config):
    """The configuration of uvicorn.

    Args:
        app: the application.
        settings: of the gateway.
        shutdown_s: how long open connections may take to close at the end.
        certificate: for TLS; None: connections are not encrypted.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, shutdown_s: int, certificate: Certificate | None = None
    ) -> None:
        super().__init__(
            app,
            http=_HttpProtocol,
            ws=_WebSocketProtocol,
            ws_max_size=settings.server.max_message_bytes,
            ws_per_message_deflate=False,  # audio does not compress; the contexts cost 64 KiB a connection
            h11_max_incomplete_event_size=2 * _MAX_HEAD_BYTES,  # `_too_long` answers first
            log_config=None,
            log_level="warning",  # at debug it would log headers, and with them keys
            access_log=False,  # sessions log two lines of their own
            timeout_graceful_shutdown=shutdown_s,
        )
        most = allowed_connections(settings)
        per_address = settings.limits.max_connections_per_address or -(-most // 2)
        self.peers = ConnectionLimiter(most, per_address)
        self.header_timeout_s = settings.limits.header_timeout_s
        self.load()  # imports modules while there are file descriptors left
        self.ssl = None if certificate is None else certificate.context


class _HttpProtocol(H11Protocol):
    """HTTP/1.1, with a timeout and a size limit for the head of each request."""

    config: ServerConfig
    _is_counted = False
    _is_refused = False
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._is_counted = self.config.peers.enter(_address_of(self.client))
        if not self._is_counted:
            self._refuse(Overloaded("too many connections are open: retry in a moment"))
            return
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._is_counted:
            self.config.peers.leave(_address_of(self.client))
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused or self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE:
            error = _too_long(self.conn.trailing_data[0] + data)
            if error is not None:
                self._refuse(error)
                return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._start_timer()
        elif self.conn.their_state is not h11.IDLE:
            self._stop_timer()

    def on_response_complete(self) -> None:
        """Continue with the data of the next request that has already arrived."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._start_timer()

    def send_400_response(self, msg: str) -> None:
        """Refuse a malformed request."""
        self._refuse(InvalidRequest(msg))

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.config.header_timeout_s, self._time_out)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _time_out(self) -> None:
        self._head_timer = None
        self._refuse(IdleTimeout(f"no complete request within {self.config.header_timeout_s:g} s"))

    def _refuse(self, error: LivecueError) -> None:
        self._stop_timer()
        self._is_refused = True
        _write_refusal(self.transport, error)
        if isinstance(error, Overloaded):
            self.transport.close()
        else:  # closing at once would discard the response for a peer that is still sending
            self.loop.call_later(_LINGER_S, self.transport.close)


class _WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket whose handshake is always answered, with a rate limit on small frames."""

    config: ServerConfig
    _is_refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.conn.logger = _silent
        self._small_frames = TokenBucket(_SMALL_FRAMES_PER_MINUTE, self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self.config.peers.leave(_address_of(self.client))
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is None or self._is_refused:
            return
        self._is_refused = True
        logger.info("websocket refused address=%s: invalid handshake", _address_of(self.client))
        if not self.handshake_initiated:  # neither the library nor uvicorn answers
            _write_refusal(self.transport, HeadersTooLong("unreadable WebSocket handshake"))
            self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message of the application; mark a refusal as complete, which uvicorn would log as an error."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent and not self.handshake_complete:
            self.handshake_complete = True
            status = self.initial_response[0] if self.initial_response else 0
            path = self.scope["path"][:_MAX_PATH_CHARS]
            logger.info("websocket refused address=%s path=%s status=%d", _address_of(self.client), path, status)

    def handle_events(self) -> None:
        """Handle received frames; close a connection that sends too many small ones."""
        for event in self.conn.events:
            if isinstance(event, Frame) and len(event.data) < _SMALL_FRAME_BYTES and event.opcode is not Opcode.CLOSE:
                try:
                    self._small_frames.take(self.loop.time())
                except RateLimited:
                    self._fail("too many small frames")
                    return
        super().handle_events()

    def handle_ping(self) -> None:
        """Answer a ping, unless the peer does not read the answers."""
        pong = b"".join(self.conn.data_to_send())
        if self.transport.get_write_buffer_size() < _MAX_UNSENT_BYTES:
            self.transport.write(pong)

    def _fail(self, reason: str) -> None:
        self.conn.events.clear()
        if self.close_sent or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _POLICY_VIOLATION, "reason": reason})
        self.conn.fail(_POLICY_VIOLATION, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()


def _too_long(head: bytes) -> LivecueError | None:
    """Return the error of a request head, complete or partial, that exceeds a limit; None: no error."""
    end = head.find(_HEAD_END)
    head = head if end < 0 else head[:end]
    line, *headers = head.split(b"\r\n")
    if len(line) > _MAX_LINE_BYTES:
        return RequestLineTooLong(f"request line has more than {_MAX_LINE_BYTES} bytes, which is the limit")
    if (
        len(head) > _MAX_HEAD_BYTES
        or len(headers) > _MAX_HEADERS
        or max(map(len, headers), default=0) > _MAX_LINE_BYTES
    ):
        limits = f"{_MAX_HEADERS} headers of {_MAX_LINE_BYTES} bytes, {_MAX_HEAD_BYTES} bytes in all"
        return HeadersTooLong(f"headers are too long, or too many (limit {limits})")
    return None


def _write_refusal(transport: asyncio.Transport, error: LivecueError) -> None:
    """Write an error response without the application."""
    status, body = HTTPStatus(reply_to(error).http_status), json.dumps(error_body(error)).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    transport.write(head.encode() + body)
    if transport.can_write_eof():
        transport.write_eof()


def _address_of(client: tuple[str, int] | None) -> str:
    return client[0] if client else "localhost"
