"""Deepgram's own client, unmodified, pointed at a gateway."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import anyio
import httpx
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.media.client import AsyncMediaClient, MediaClient
from deepgram.listen.v1.socket_client import AsyncV1SocketClient
from deepgram.listen.v1.types.listen_v1metadata import ListenV1Metadata
from deepgram.listen.v1.types.listen_v1results import ListenV1Results
from deepgram.listen.v2.socket_client import AsyncV2SocketClient
from deepgram.listen.v2.types.listen_v2turn_info import ListenV2TurnInfo

from tests.servers import Served

__all__ = [
    "RAW",
    "Received",
    "async_client",
    "async_file_client",
    "client",
    "events",
    "file_client",
    "finals",
    "listening",
    "results",
    "speak",
    "speak_flux",
    "text_of",
]

RAW = {"model": "nova-3", "encoding": "linear16", "sample_rate": "16000"}
"""The format of `spoken_frames`."""


@dataclass
class Received:
    """The messages and errors that the client's handlers received.

    Attributes:
        messages: each as the client has read it; one that it does not know would be None.
        errors: exceptions of its connection.
        is_closed: whether the client reported the close.
    """

    messages: list[object] = field(default_factory=list)
    errors: list[object] = field(default_factory=list)
    is_closed: bool = False
    _changed: anyio.Event = field(default_factory=anyio.Event)

    def add(self, message: object) -> None:
        """Record a message."""
        self.messages.append(message)
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, is_there: Callable[[object], bool]) -> None:
        """Wait until there is such a message."""
        while not any(map(is_there, self.messages)):
            await self._changed.wait()


def _environment(served: Served) -> DeepgramClientEnvironment:
    sockets = served.url.replace("http", "ws", 1)
    return DeepgramClientEnvironment(base=served.url, production=sockets, agent=sockets, agent_rest=served.url)


def async_client(served: Served, api_key: str = "any") -> AsyncDeepgramClient:
    """Return a client for streams; for files it would leave a connection open."""
    return AsyncDeepgramClient(api_key=api_key, environment=_environment(served))


def client(served: Served, api_key: str = "any") -> DeepgramClient:
    """Return a client for streams; for files it would leave a connection open."""
    return DeepgramClient(api_key=api_key, environment=_environment(served))


@asynccontextmanager
async def async_file_client(served: Served, api_key: str = "any") -> AsyncIterator[AsyncMediaClient]:
    async with httpx.AsyncClient(timeout=60) as http:
        yield AsyncDeepgramClient(api_key=api_key, environment=_environment(served), httpx_client=http).listen.v1.media


@contextmanager
def file_client(served: Served, api_key: str = "any") -> Iterator[MediaClient]:
    with httpx.Client(timeout=60) as http:
        yield DeepgramClient(api_key=api_key, environment=_environment(served), httpx_client=http).listen.v1.media


@asynccontextmanager
async def listening(connection: AsyncV1SocketClient | AsyncV2SocketClient) -> AsyncIterator[Received]:
    """Read a connection as an application does, until the gateway has closed it."""
    received = Received()
    connection.on(EventType.MESSAGE, received.add)
    connection.on(EventType.ERROR, received.errors.append)
    connection.on(EventType.CLOSE, lambda _: setattr(received, "is_closed", True))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.start_listening)
        yield received
    assert None not in received.messages


async def events(served: Served, frames: Sequence[bytes], **query: str) -> Received:
    """Send frames to `/v1/listen` and return all received messages."""
    async with async_client(served).listen.v1.connect(**query) as connection, listening(connection) as received:
        for frame in frames:
            await connection.send_media(frame)
        await connection.send_close_stream()
    return received


def results(received: Received) -> list[ListenV1Results]:
    return [message for message in received.messages if isinstance(message, ListenV1Results)]


def finals(received: Received) -> list[ListenV1Results]:
    return [result for result in results(received) if result.is_final]


def text_of(found: Sequence[ListenV1Results]) -> str:
    return " ".join(result.channel.alternatives[0].transcript for result in found).strip()


async def speak(served: Served, frames: Sequence[bytes]) -> str:
    """Return the words of all finals."""
    received = await events(served, frames, **RAW)
    assert isinstance(received.messages[-1], ListenV1Metadata)
    return text_of(finals(received))


async def speak_flux(served: Served, frames: Sequence[bytes]) -> str:
    """Return the words of all turns."""
    connect = async_client(served).listen.v2.connect
    async with (
        connect(model="flux-general-en", encoding="linear16", sample_rate=16_000) as connection,
        listening(connection) as received,
    ):
        for frame in frames:
            await connection.send_media(frame)
        await connection.send_close_stream()
    turns = [message for message in received.messages if isinstance(message, ListenV2TurnInfo)]
    return " ".join(turn.transcript for turn in turns if turn.event == "EndOfTurn")
