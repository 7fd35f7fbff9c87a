"""uvicorn as the gateway runs it: with timeouts and bounds that hold before an application sees a request."""

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
"""Of a request line or a header: a little less than the 8192 at which a WebSocket library gives up without a word."""

_MAX_HEAD_BYTES = 32_768

_MAX_HEADERS = 100
"""That library knows 128 at most; browsers send 20."""

_SMALL_FRAME_BYTES = 16
"""No audio nor message worth sending is smaller: such frames cost more than they carry."""

_SMALL_FRAMES_PER_MINUTE = 12_000
"""200 a second, and a minute's worth at once: more than any client has reason for."""

_LINGER_S = 1.0
"""A peer that is still sending gets so long to read why it is refused."""

_MAX_UNSENT_BYTES = 65_536
"""A peer that leaves so much unread gets no answers to its pings (RFC 6455 §5.5.3 asks for the newest only)."""

_POLICY_VIOLATION = 1008

_MAX_SHOWN_CHARS = 100
"""Of a path, in a log."""

_HEAD_END = b"\r\n\r\n"

_silent = logging.getLogger("livecue.websockets")
"""Of the WebSocket library, which writes a traceback for each handshake that fails."""
_silent.addHandler(logging.NullHandler())
_silent.propagate = False
_silent.setLevel(logging.CRITICAL + 1)


class ServerConfig(uvicorn.Config):
    """How an application of the gateway is served.

    Args:
        app: what answers.
        settings: of the gateway.
        shutdown_s: connections that are open at the end get so long to come to theirs.
        certificate: with which connections are encrypted; None: they are not.
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
            h11_max_incomplete_event_size=2 * _MAX_HEAD_BYTES,  # `_too_long` speaks first
            log_config=None,
            log_level="warning",  # at debug it would write down headers, and with them keys
            access_log=False,  # sessions write their own two lines
            timeout_graceful_shutdown=shutdown_s,
        )
        most = allowed_connections(settings)
        per_address = settings.limits.max_connections_per_address or -(-most // 2)
        self.peers = ConnectionLimiter(most, per_address)
        self.header_timeout_s = settings.limits.header_timeout_s
        self.load()  # now, while there are descriptors to read modules with
        self.ssl = None if certificate is None else certificate.context


class _HttpProtocol(H11Protocol):
    """HTTP/1.1, with a time and a size for the head of each request."""

    config: ServerConfig
    _is_counted = False
    _is_refused = False
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._is_counted = self.config.peers.enter(_address_of(self.client))
        if not self._is_counted:
            self._refuse(Overloaded("too many connections are open: try again in a moment"))
            return
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
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
            self._watch_head()
        elif self.conn.their_state is not h11.IDLE:
            self._stop_watching()

    def on_response_complete(self) -> None:
        """Go on with what has come of the next request meanwhile."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._watch_head()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request."""
        self._refuse(InvalidRequest(msg))

    def _watch_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.config.header_timeout_s, self._give_up)

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        self._refuse(IdleTimeout(f"no whole request within {self.config.header_timeout_s:g} s"))

    def _refuse(self, error: LivecueError) -> None:
        self._stop_watching()
        self._is_refused = True
        _write_refusal(self.transport, error)
        if isinstance(error, Overloaded):
            self.transport.close()
        else:  # a peer that is still sending would never read the answer
            self.loop.call_later(_LINGER_S, self.transport.close)


class _WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket whose handshake is always answered, and whose small frames are counted."""

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
        logger.info("websocket refused address=%s: no handshake of RFC 6455", _address_of(self.client))
        if not self.handshake_initiated:  # the library says nothing, and neither would uvicorn
            _write_refusal(self.transport, HeadersTooLong("no WebSocket handshake that can be read"))
            self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        """Send what the application does; a refusal is the end, which uvicorn takes for a fault and logs as one."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent and not self.handshake_complete:
            self.handshake_complete = True
            status = self.initial_response[0] if self.initial_response else 0
            path = self.scope["path"][:_MAX_SHOWN_CHARS]
            logger.info("websocket refused address=%s path=%s status=%d", _address_of(self.client), path, status)

    def handle_events(self) -> None:
        """Handle what has come, as long as it is worth it."""
        for event in self.conn.events:
            if isinstance(event, Frame) and len(event.data) < _SMALL_FRAME_BYTES and event.opcode is not Opcode.CLOSE:
                try:
                    self._small_frames.take(self.loop.time())
                except RateLimited:
                    self._end("too many frames with next to nothing in them")
                    return
        super().handle_events()

    def handle_ping(self) -> None:
        """Answer a ping, unless the peer does not read the answers."""
        pong = b"".join(self.conn.data_to_send())
        if self.transport.get_write_buffer_size() < _MAX_UNSENT_BYTES:
            self.transport.write(pong)

    def _end(self, reason: str) -> None:
        self.conn.events.clear()
        if self.close_sent or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _POLICY_VIOLATION, "reason": reason})
        self.conn.fail(_POLICY_VIOLATION, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()


def _too_long(head: bytes) -> LivecueError | None:
    """Return what is to be said of the head of a request, whole or in part; None: nothing."""
    end = head.find(_HEAD_END)
    head = head if end < 0 else head[:end]
    line, *headers = head.split(b"\r\n")
    if len(line) > _MAX_LINE_BYTES:
        return RequestLineTooLong(f"a request line of more than {_MAX_LINE_BYTES} bytes")
    if (
        len(head) > _MAX_HEAD_BYTES
        or len(headers) > _MAX_HEADERS
        or max(map(len, headers), default=0) > _MAX_LINE_BYTES
    ):
        allowed = f"{_MAX_HEADERS} of {_MAX_LINE_BYTES} bytes, {_MAX_HEAD_BYTES} bytes together"
        return HeadersTooLong(f"headers: at most {allowed} are read")
    return None


def _write_refusal(transport: asyncio.Transport, error: LivecueError) -> None:
    """Answer what never becomes a request of the application."""
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
