"""A gateway for resumable sessions (docs/protocol.md), without an engine, that fails on demand."""

import json
import mimetypes
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import numpy as np
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

__all__ = ["RATE_HZ", "ResumableGateway", "resumable_gateway"]

RATE_HZ = 8000

_WEB = Path(__file__).parents[2] / "clients" / "web"

_TOKEN = "rt_1"


@dataclass(slots=True)
class ResumableGateway:
    """One session. Unless a page is served, the audio must count up: sample n is n modulo 2**15.

    Attributes:
        page: file name of the page at `/`; None: an empty one.
        hellos: the first message of each connection.
        controls: text messages after the first one, of all connections.
        audio: all received audio, each sample frame once.
        gaps: spans that the client had dropped.
        faults: audio received at the wrong position.
        dropped: sample frames received while it was unresponsive.
        key: API key required of connections; None: none.
        is_unresponsive: messages are accepted but not answered.
        is_gone: resumes are refused, as the session does not exist.
        accepts: whether connections are accepted.
        ack_every: sample frames between two acks.
    """

    page: str | None = None
    hellos: list[dict[str, object]] = field(default_factory=list)
    controls: list[dict[str, object]] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    dropped: int = 0
    key: str | None = None
    is_unresponsive: bool = False
    is_gone: bool = False
    accepts: bool = True
    ack_every: int = RATE_HZ
    url: str = ""
    processed: int = 0
    _events: list[dict[str, object]] = field(default_factory=list)
    _acked: int = 0
    _seq: int = 1
    _socket: ServerConnection | None = None
    _changed: anyio.Event = field(default_factory=anyio.Event)

    @property
    def rate_hz(self) -> int:
        """Sample rate of the audio."""
        audio = self.hellos[0]["audio"]
        assert isinstance(audio, dict)
        rate_hz = audio["sample_rate_hz"]
        assert isinstance(rate_hz, int)
        return rate_hz

    @property
    def received(self) -> int:
        """Number of sample frames received."""
        return len(self.audio) // 2

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, which is checked after each message."""
        with anyio.fail_after(20):
            while not condition():
                await self._changed.wait()

    def cut(self) -> None:
        """Abort the connection, as a network failure does."""
        assert self._socket is not None
        self._socket.transport.abort()

    def rewind(self, frames: int) -> None:
        """Forget the newest audio, as a killed gateway does."""
        del self.audio[2 * (self.received - frames) :]
        self.processed = min(self.processed, self.received)

    async def emit(self, **event: object) -> None:
        """Emit an event of the session; it is sent again to a client that resumes before it."""
        self._seq += 1
        self._events.append({**event, "seq": self._seq})
        await self._send(self._events[-1])

    async def _send(self, message: dict[str, object]) -> None:
        if self._socket is not None and not self.is_unresponsive:
            with suppress(ConnectionClosed):  # the connection was aborted
                await self._socket.send(json.dumps(message))

    async def serve(self, socket: ServerConnection) -> None:
        """Serve one connection."""
        try:
            hello = json.loads(await socket.recv())
            previous, self._socket = self._socket, socket
            self.hellos.append(hello)
            if previous is not None:
                await previous.close()
            if hello["type"] == "resume" and (self.is_gone or hello["token"] != _TOKEN):
                await self._send(_refusal("session_not_found", "no such session"))
                await socket.close(1008, "session_not_found")
                return
            await self._send_ready(hello)
            self._wake()
            async for message in socket:
                await self._receive(message)
                self._wake()
        except ConnectionClosed:
            pass

    async def _send_ready(self, hello: dict[str, object]) -> None:
        after, held = hello.get("after_seq", 1), hello.get("held_sample", 0)
        assert isinstance(after, int)
        assert isinstance(held, int)
        if held > self.received:
            self.gaps.append((self.received, held))
            self.audio += bytes(2 * (held - self.received))
        ready = {
            "type": "ready",
            "seq": after,
            "session_id": "s1",
            "resume_token": _TOKEN,
            "next_sample": self.received,
        }
        await self._send(ready)
        for event in self._events:
            if isinstance(event["seq"], int) and event["seq"] > after:
                await self._send(event)

    async def _receive(self, message: str | bytes) -> None:
        if isinstance(message, str):
            control = json.loads(message)
            self.controls.append(control)
            match control["type"]:
                case "flush":
                    await self.emit(type="flushed", id=control["id"])
                case "stop" if not self.is_unresponsive:
                    await self.emit(type="finished", audio_s=self.received / RATE_HZ, utterances=0)
                    assert self._socket is not None
                    await self._socket.close()
            return
        samples = np.frombuffer(message, "<i2")
        if self.is_unresponsive:
            self.dropped += samples.size
            return
        expected = np.arange(self.received, self.received + samples.size) % 2**15
        if self.page is None and not np.array_equal(samples, expected):
            self.faults.append(f"{samples[:3]} instead of {expected[:3]}")
        self.audio += message
        if self.received - self._acked >= self.ack_every:
            self._acked, self._seq = self.received, self._seq + 1
            self.processed = self.received
            ack = {
                "type": "ack",
                "seq": self._seq,
                "received_samples": self.received,
                "processed_samples": self.processed,
            }
            await self._send(ack)

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == "/v1/stream":
            offered = request.headers.get("Sec-WebSocket-Protocol", "")
            known = self.key is None or _subprotocol_of(self.key) in offered
            return None if known and self.accepts else _response(401 if not known else 503, b"{}")
        if path == "/v1/sessions":
            allowed = self.key is None or request.headers.get("Authorization") == f"Bearer {self.key}"
            error = {"code": "unauthorized", "message": "this API key is not known here"}
            return _response(200, b"{}") if allowed else _response(401, json.dumps({"error": error}).encode())
        if path.startswith("/assets/") or (path == "/" and self.page is not None):
            file = _WEB / (Path(path).name or self.page or "")
            return _response(200, file.read_bytes(), mimetypes.guess_type(file)[0] or "text/plain")
        return _response(200, b"<!doctype html><title>test</title>", "text/html")


@asynccontextmanager
async def resumable_gateway(page: str | None = None) -> AsyncIterator[ResumableGateway]:
    """Serve on a free port while the block lasts."""
    gateway = ResumableGateway(page)
    async with serve_websockets(
        gateway.serve,
        "127.0.0.1",
        0,
        process_request=gateway._admit,
        select_subprotocol=_selected,
        compression=None,
        close_timeout=1,
    ) as server:
        gateway.url = f"http://127.0.0.1:{_port(server)}"
        yield gateway


def _selected(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol("livecue") if "livecue" in offered else None


def _subprotocol_of(key: str) -> str:
    return "livecue-key." + urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _refusal(code: str, message: str) -> dict[str, object]:
    return {"type": "error", "seq": 1, "code": code, "message": message, "fatal": True, "field": None}


def _response(status: int, body: bytes, kind: str = "application/json") -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(status, "", headers, body)


def _port(server: Server) -> int:
    (listener, *_) = server.sockets
    port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port
