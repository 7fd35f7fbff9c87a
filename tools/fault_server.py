"""An upstream on loopback that answers correctly, or with any fault.

It implements HTTP itself, because a proper server prevents most of these faults.
"""

import asyncio
import json
import math
import wave
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from socket import create_server
from typing import Literal

__all__ = ["Asked", "FaultServer", "Reply", "Script", "counting", "refusal", "serving_upstream", "text_reply"]

_WORD_S = 0.4

_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

Fault = Literal["hang", "reset", "cut", "close_after"]
"""hang: never answer; reset: abort the connection; cut: abort within the body; close_after: answer, then close the idle
connection."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A received request.

    Attributes:
        connection: index of its connection: 0, 1 …
        fields: of the form, without the file; values of a repeated field are joined by commas.
        order: names of the form's fields, in order.
    """

    connection: int
    method: str
    path: str
    headers: dict[str, str]
    fields: dict[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    filename: str = ""
    file: bytes = b""

    @property
    def audio_s(self) -> float:
        """Duration of the file, which is WAV: the format for upstreams on loopback."""
        with wave.open(BytesIO(self.file)) as reader:
            return float(reader.getnframes() / reader.getframerate())


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to one request.

    Attributes:
        delay_s: time before the reply.
    """

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None
    delay_s: float = 0.0


Script = Callable[[Asked], Reply]


def text_reply(text: str) -> Reply:
    """Return a reply in the format `json`."""
    return Reply(body=json.dumps({"text": text}).encode())


def refusal(status: int, code: str = "some_code", **headers: str) -> Reply:
    """Return an error body; `retry_after="3"` is a header."""
    body = json.dumps({"error": {"code": code, "message": f"it is {code}", "details": None}}).encode()
    return Reply(status, body, headers=tuple((name.replace("_", "-"), value) for name, value in headers.items()))


def counting(asked: Asked) -> Reply:
    """Return counted words, one per 0.4 s of audio, in the requested format."""
    count = math.floor(asked.audio_s / _WORD_S)
    words = [_NUMBERS[place % len(_NUMBERS)] for place in range(count)]
    if asked.fields["response_format"] != "verbose_json":
        return text_reply(" " + " ".join(words))
    times = [{"word": word, "start": place * _WORD_S, "end": (place + 1) * _WORD_S} for place, word in enumerate(words)]
    body = {"text": " ".join(words), "language": "english", "duration": asked.audio_s, "words": times, "segments": []}
    return Reply(body=json.dumps(body).encode())


class FaultServer:
    """Serves one upstream: the queued replies, then those of the script.

    Args:
        script: request → reply.
        models: script for `GET /models`; None: always correct.
    """

    def __init__(self, script: Script = counting, *, models: Script | None = None) -> None:
        self.asked: list[Asked] = []
        """The received POST requests."""
        self.queued: deque[Reply] = deque()
        self.arrived = asyncio.Event()
        """Set by each request; cleared by the test."""
        self.broken = asyncio.Event()
        """Set when a connection has been closed after an answer."""
        self._script = script
        self._models = models or (lambda _: Reply(body=b'{"object": "list", "data": []}'))
        self._socket = create_server(("127.0.0.1", 0))
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._connections = 0

    @property
    def base_url(self) -> str:
        """Base URL of its API."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    async def start(self) -> None:
        """Accept connections."""
        self._server = await asyncio.start_server(self._serve, sock=self._socket)

    async def stop(self) -> None:
        """Abort all connections and accept no more."""
        if self._server is None:
            self._socket.close()
            return
        self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection, self._connections = self._connections, self._connections + 1
        self._open.add(writer)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._answer(connection, reader, writer):
                    pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _answer(self, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request, and return whether the connection stays open."""
        asked = await _read(connection, reader)
        if asked.method == "GET":
            await _write(writer, self._models(asked))
            return True
        self.asked.append(asked)
        self.arrived.set()
        reply = self.queued.popleft() if self.queued else self._script(asked)
        if reply.fault == "hang":
            await reader.read()  # until the client gives up
            return False
        if reply.fault == "reset":
            return False
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        await _write(writer, reply)
        if reply.fault == "close_after":
            writer.close()
            await writer.wait_closed()
            self.broken.set()
        return reply.fault is None


async def _read(connection: int, reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if not body:
        return Asked(connection, method, path, headers)
    boundary = headers["content-type"].partition("boundary=")[2].encode()
    fields: dict[str, str] = {}
    order, filename, file = [], "", b""
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:-1]:
        described, _, content = part.partition(b"\r\n\r\n")
        attributes = dict(item.split("=", 1) for item in described.decode().split("\r\n")[1].split("; ")[1:])
        name = attributes["name"].strip('"')
        order.append(name)
        if "filename" in attributes:
            filename, file = attributes["filename"].strip('"'), content
        else:
            fields[name] = ",".join([*([fields[name]] if name in fields else []), content.decode()])
    return Asked(connection, method, path, headers, fields, tuple(order), filename, file)


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    lines = [
        f"HTTP/1.1 {reply.status} Status",
        f"Content-Type: {reply.media_type}",
        f"Content-Length: {len(reply.body)}",
    ]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    body = reply.body[: len(reply.body) // 2] if reply.fault == "cut" else reply.body
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()


@asynccontextmanager
async def serving_upstream(script: Script = counting, *, models: Script | None = None) -> AsyncIterator[FaultServer]:
    """Run an upstream while the block lasts."""
    server = FaultServer(script, models=models)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
