"""Home Assistant's end of the Wyoming protocol: the `wyoming` package, used as its speech-to-text entity does."""

from collections.abc import Iterable

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event

from tests.servers import Served

__all__ = ["ask", "connected", "events_until", "send_audio"]


def connected(served: Served) -> AsyncTcpClient:
    """Return a client that connects when it is entered, as a context."""
    host, _, port = served.wyoming_url.removeprefix("tcp://").partition(":")
    return AsyncTcpClient(host, int(port))


async def send_audio(
    client: AsyncTcpClient, frames: Iterable[bytes], rate: int = 16_000, width: int = 2, channels: int = 1
) -> None:
    """Send audio, with its start and stop."""
    await client.write_event(AudioStart(rate, width, channels).event())
    for frame in frames:
        await client.write_event(AudioChunk(rate, width, channels, frame).event())
    await client.write_event(AudioStop().event())


async def events_until(client: AsyncTcpClient, kind: str) -> list[Event]:
    """Return the gateway's events up to the first of a type."""
    events: list[Event] = []
    while not events or events[-1].type != kind:
        event = await client.read_event()
        assert event is not None, f"the connection ended after {[event.type for event in events]}"
        events.append(event)
    return events


async def ask(served: Served, frames: Iterable[bytes], language: str = "en") -> str | None:
    """Return the words of one utterance over a new connection; None if Home Assistant reports an error."""
    async with connected(served) as client:
        await client.write_event(Transcribe(language=language).event())
        await send_audio(client, frames)
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                return Transcript.from_event(event).text
    return None
