"""A real Chromium, clients that speak in sessions, and a network that can be cut."""

import asyncio
import json
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

import httpx2
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright
from websockets.asyncio.client import ClientConnection, connect

from tests.servers import Served
from tests.sessions import Message, silence, speech
from vad.audio import SAMPLE_RATE_HZ

__all__ = [
    "CHROMIUM",
    "PHONE",
    "TIMEOUT_MS",
    "Network",
    "Speaker",
    "faults",
    "launched",
    "network",
    "opened",
    "serious_faults",
    "speaking",
    "with_microphone",
    "write_wav",
]

CHROMIUM = which("chromium-headless-shell") or which("chromium")
"""Path of Chromium, without its windows if there is a choice; None: not installed."""

TIMEOUT_MS = 20_000
"""Of every wait; generous, as the machine may be busy."""

PHONE: ViewportSize = {"width": 320, "height": 568}
"""The narrowest width at which WCAG 1.4.10 requires pages to work."""

_PIECE_BYTES = 2**16


@asynccontextmanager
async def launched(*arguments: str) -> AsyncIterator[Browser]:
    """Run a Chromium while the block lasts.

    Args:
        arguments: of its command line.
    """
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", *arguments],  # its sandbox does not run as root
        )
        yield browser
        await browser.close()


@asynccontextmanager
async def with_microphone(recording: Path) -> AsyncIterator[Browser]:
    """Run a Chromium with microphones that every page may use, while the block lasts.

    Args:
        recording: WAV file that a microphone plays once, from its opening.
    """
    async with launched(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={recording}%noloop",
    ) as browser:
        yield browser


@asynccontextmanager
async def opened(browser: Browser) -> AsyncIterator[Page]:
    """Open a page in a new context, and check that no script fails and no content security policy is violated."""
    faults: list[str] = []
    context = await browser.new_context(permissions=["microphone"])
    page = await context.new_page()
    page.set_default_timeout(TIMEOUT_MS)

    def receive(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            faults.append(message.text)

    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", receive)
    try:
        yield page
    finally:
        await context.close()
    assert not faults


def write_wav(path: Path, pcm: bytes) -> Path:
    """Write a WAV file of 16 kHz mono in 16 bits, and return its path."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(pcm)
    return path


async def serious_faults(page: Page) -> list[str]:
    """Return the serious and critical violations that axe-core finds in a page, each with its element."""
    return await faults(page, ("serious", "critical"))


async def faults(page: Page, impacts: Sequence[str] = ("minor", "moderate", "serious", "critical")) -> list[str]:
    """Return the violations of these impacts that axe-core finds in a page, each with its element."""
    found = await Axe().run(page)
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in found.response["violations"]
        if violation["impact"] in impacts
        for node in violation["nodes"]
    ]


@dataclass(frozen=True, slots=True)
class Speaker:
    """A client of a native session whose engine counts words."""

    websocket: ClientConnection
    session_id: str
    url: str

    async def correct(self, utterance_id: int, text: str) -> None:
        """Correct an utterance, and wait until that is durable."""
        async with httpx2.AsyncClient(base_url=self.url) as client:
            place = f"/v1/sessions/{self.session_id}/utterances/{utterance_id}"
            assert (await client.put(place, json={"text": text})).status_code == HTTPStatus.OK

    async def speak(self) -> str:
        """Speak one utterance, and return the text of its final."""
        await self.begin()
        return await self.end()

    async def begin(self) -> Message:
        """Begin an utterance, and return its first cue."""
        await self.websocket.send(silence(0.5) + speech(1.2))
        return await self.receive("cue")

    async def end(self) -> str:
        """End the utterance, and return the text of its final."""
        await self.websocket.send(silence(0.8))
        return str((await self.receive("final"))["text"])

    async def stop(self) -> None:
        """End the session."""
        await self.websocket.send(json.dumps({"type": "stop"}))
        await self.receive("finished")

    async def receive(self, kind: str) -> Message:
        """Return the gateway's next message of a kind."""
        while True:
            message: Message = json.loads(await self.websocket.recv())
            if message["type"] == kind:
                return message


@asynccontextmanager
async def speaking(served: Served) -> AsyncIterator[Speaker]:
    """Keep a session open while the block lasts."""
    async with connect(served.stream_url) as websocket:
        await websocket.send(json.dumps({"type": "start", "language": "en"}))
        ready = json.loads(await websocket.recv())
        yield Speaker(websocket, ready["session_id"], served.url)


@dataclass(slots=True)
class Network:
    """The network path to a gateway.

    Attributes:
        url: base URL of the gateway, over this path.
        is_down: whether new connections are cut at once.
    """

    url: str
    is_down: bool = False
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Abort all connections; new ones are accepted."""
        for writer in tuple(self._writers):
            writer.transport.abort()


@asynccontextmanager
async def network(url: str) -> AsyncIterator[Network]:
    """Relay to a gateway while the block lasts.

    Args:
        url: of the gateway. While it is down, connections are aborted at once.
    """
    port = urlsplit(url).port
    way = Network("")

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way._writers.add(writer)
        try:
            while piece := await reader.read(_PIECE_BYTES):
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass  # the connection was aborted
        finally:
            way._writers.discard(writer)
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if way.is_down:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        way.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield way
        way.cut()
