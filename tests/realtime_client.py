"""OpenAI's own clients, pointed at a gateway, and the recording spoken through them."""

from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import numpy as np
import soxr
from numpy.typing import NDArray
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import ConversationItemInputAudioTranscriptionCompletedEvent as Completed
from openai.types.realtime import ConversationItemInputAudioTranscriptionDeltaEvent as Delta
from openai.types.realtime import ConversationItemInputAudioTranscriptionFailedEvent as Failed
from openai.types.realtime import RealtimeServerEvent, RealtimeTranscriptionSessionCreateRequestParam

from tests.servers import Served
from vad.audio import Float32

__all__ = [
    "Completed",
    "Delta",
    "Events",
    "at_24_khz",
    "client_of",
    "events_until_settled",
    "frames_of",
    "resampled",
    "speak",
    "transcripts",
]

Int16 = NDArray[np.int16]

Events = Sequence[RealtimeServerEvent]

RATE_HZ = 24_000
"""The rate of OpenAI's clients."""

_FRAME_BYTES = 4_800
"""100 ms, as openai-agents cuts them."""


@asynccontextmanager
async def client_of(served: Served, key: str = "any") -> AsyncIterator[AsyncOpenAI]:
    """Yield OpenAI's client, configured only with the address of the gateway."""
    async with AsyncOpenAI(api_key=key, base_url=f"{served.url}/v1", max_retries=0) as client:
        yield client


def resampled(frames: Iterable[bytes], rate_hz: int) -> Float32:
    """Return frames of 16 kHz in 16 bits at another rate, and a second of silence."""
    samples_at_rate = np.frombuffer(b"".join(frames), "<i2").astype(np.float32) / 32_768
    spoken: Float32 = soxr.resample(samples_at_rate, 16_000, rate_hz)
    return np.concatenate([np.clip(spoken, -1.0, 1.0), np.zeros(rate_hz, np.float32)])


def at_24_khz(frames: Iterable[bytes]) -> Int16:
    """Return 16 kHz frames as OpenAI's clients send audio, and a second of silence."""
    return np.round(resampled(frames, RATE_HZ) * 32_767).astype(np.int16)


def frames_of(samples_at_rate: Int16) -> list[bytes]:
    """Return audio in frames of the usual size."""
    data = samples_at_rate.tobytes()
    return [data[start : start + _FRAME_BYTES] for start in range(0, len(data), _FRAME_BYTES)]


async def speak(connection: AsyncRealtimeConnection, frames: Iterable[bytes], **wanted: object) -> None:
    """Configure the session, and send audio.

    Args:
        connection: open.
        frames: of the audio.
        wanted: of `session.audio.input`.
    """
    session = {"type": "transcription", "audio": {"input": wanted}}
    await connection.session.update(session=cast("RealtimeTranscriptionSessionCreateRequestParam", session))
    for frame in frames:
        await connection.input_audio_buffer.append(audio=b64encode(frame).decode())


async def events_until_settled(connection: AsyncRealtimeConnection) -> Events:
    """Return the gateway's events until it has cleared the remaining audio, and all items are settled.

    That is the only end there is: OpenAI's protocol has no word for it.
    """
    await connection.input_audio_buffer.clear()
    events: list[RealtimeServerEvent] = []
    is_cleared, unsettled = False, 0
    async for event in connection:
        events.append(event)
        is_cleared = is_cleared or event.type == "input_audio_buffer.cleared"
        unsettled += event.type == "input_audio_buffer.committed"
        unsettled -= isinstance(event, Completed | Failed)
        if is_cleared and not unsettled:
            break
    return events


def transcripts(events: Events) -> list[str]:
    """Return the words of all items."""
    return [event.transcript for event in events if isinstance(event, Completed)]
