"""An upstream on loopback that answers right, or wrong in any way there is.

It speaks HTTP by hand, for most of its faults are what a proper server does not let happen.
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

__all__ = ["Asked", "FaultServer", "Reply", "Script", "counting", "refusal", "said", "serving_upstream"]

_WORD_S = 0.4

_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

Fault = Literal["hang", "reset", "cut", "close_after"]
"""hang: never answer; reset: break the connection instead; cut: break off within the body; close_after: answer, and
break the connection once it is idle."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came.

    Attributes:
        connection: which one it came over: 0, 1 …
        fields: of the form, the file's left out; one that is repeated has its values joined by commas.
        order: the form's fields in the order they came.
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
    def sound_s(self) -> float:
        """How long the file is; it is WAV, as loopback gets it."""
        with wave.open(BytesIO(self.file)) as reader:
            return float(reader.getnframes() / reader.getframerate())


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered to one request.

    Attributes:
        delay_s: how long the answer takes.
    """

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None
    delay_s: float = 0.0


Script = Callable[[Asked], Reply]


def said(text: str) -> Reply:
    """Return the plain JSON answer."""
    return Reply(body=json.dumps({"text": text}).encode())


def refusal(status: int, code: str = "some_code", **headers: str) -> Reply:
    """Return an error body; `retry_after="3"` is a header."""
    body = json.dumps({"error": {"code": code, "message": f"it is {code}", "details": None}}).encode()
    return Reply(status, body, headers=tuple((name.replace("_", "-"), value) for name, value in headers.items()))


def counting(asked: Asked) -> Reply:
    """Count aloud, one word each 0.4 s, in the format that is asked for."""
    count = math.floor(asked.sound_s / _WORD_S)
    words = [_NUMBERS[place % len(_NUMBERS)] for place in range(count)]
    if asked.fields["response_format"] != "verbose_json":
        return said(" " + " ".join(words))
    times = [{"word": word, "start": place * _WORD_S, "end": (place + 1) * _WORD_S} for place, word in enumerate(words)]
    body = {"text": " ".join(words), "language": "english", "duration": asked.sound_s, "words": times, "segments": []}
    return Reply(body=json.dumps(body).encode())


class FaultServer:
    """Serves one upstream: the replies that are queued, then what the script says.

    Args:
        script: request → reply.
        models: whether `GET /models` is answered like the rest; else it always is right.
    """

    def __init__(self, script: Script = counting, *, models: Script | None = None) -> None:
        self.asked: list[Asked] = []
        """Transcriptions, and whatever else was posted."""
        self.queued: deque[Reply] = deque()
        self.arrived = asyncio.Event()
        """Set when a request has come; cleared by the test."""
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
        """The URL of its API."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    async def start(self) -> None:
        """Accept connections."""
        self._server = await asyncio.start_server(self._serve, sock=self._socket)

    async def stop(self) -> None:
        """Break all connections and accept no more."""
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
        """Answer one request, and return whether the connection stays."""
        asked = await _read(connection, reader)
        if asked.method == "GET":
            await _write(writer, self._models(asked))
            return True
        self.asked.append(asked)
        self.arrived.set()
        reply = self.queued.popleft() if self.queued else self._script(asked)
        if reply.fault == "hang":
            await reader.read()  # until the other side has had enough
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
        f"HTTP/1.1 {reply.status} Whatever",
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
