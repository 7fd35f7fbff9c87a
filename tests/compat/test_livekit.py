"""LiveKit Agents: its speech-to-text plugins, outside a worker."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import WSServerHandshakeError
from livekit import rtc
from livekit.agents import APIStatusError, stt
from livekit.agents.stt import SpeechEventType
from livekit.agents.types import APIConnectOptions
from livekit.agents.utils import http_context
from livekit.plugins import deepgram, openai

from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from tests.compat.speaking import embedded, is_whole, mistakes, speech_and_silence
from tests.compatibility import exercises
from tests.servers import Served, serving

pytestmark = pytest.mark.timeout(180)

ONCE = APIConnectOptions(max_retry=0)

PACE = 2.0
"""Times real time; two cores decode tiny.en faster."""


def openai_stt(served: Served, key: str = "any") -> stt.STT:
    return openai.STT(model="gpt-4o-transcribe", use_realtime=True, base_url=f"{served.url}/v1", api_key=key)


def deepgram_stt(served: Served, key: str = "any") -> stt.STT:
    return deepgram.STT(base_url=f"{served.url}/v1/listen", api_key=key)


def flux_stt(served: Served, key: str = "any") -> stt.STT:
    return deepgram.STTv2(base_url=f"{served.url.replace('http', 'ws', 1)}/v2/listen", api_key=key)


async def transcribed_by(client: stt.STT) -> list[stt.SpeechEvent]:
    """Return what a plugin makes of the recording, up to its last word: OpenAI's stream has no end of its own."""
    events: list[stt.SpeechEvent] = []
    async with http_context.open(), client, client.stream(conn_options=ONCE) as stream:
        pushing = asyncio.create_task(push(stream))  # a task group would wrap the framework's errors
        try:
            async for event in stream:
                events.append(event)
                if is_whole(final_text(events)):
                    break
        finally:
            pushing.cancel()
    return events


async def push(stream: stt.RecognizeStream) -> None:
    """Push the recording at some times real time: at once, every utterance has its final before a partial is due."""
    for frame in speech_and_silence():
        samples = len(frame) // 2
        stream.push_frame(rtc.AudioFrame(frame, 16_000, 1, samples))
        await asyncio.sleep(samples / 16_000 / PACE)
    stream.end_input()


def final_text(events: list[stt.SpeechEvent]) -> str:
    finals = [event for event in events if event.type is SpeechEventType.FINAL_TRANSCRIPT]
    return " ".join(event.alternatives[0].text for event in finals)


def kinds(events: list[stt.SpeechEvent]) -> set[SpeechEventType]:
    return {event.type for event in events}


@exercises("livekit-plugins-openai", "realtime STT: speech events, interim and final transcripts, the words")
async def test_openai_realtime() -> None:
    async with embedded() as served:
        events = await transcribed_by(openai_stt(served))
    assert mistakes(final_text(events)) <= 3
    assert {SpeechEventType.START_OF_SPEECH, SpeechEventType.INTERIM_TRANSCRIPT} <= kinds(events)


@exercises("livekit-plugins-deepgram", "STT: speech events, interim and final transcripts, the words")
async def test_deepgram() -> None:
    async with embedded() as served:
        events = await transcribed_by(deepgram_stt(served))
    assert mistakes(final_text(events)) <= 3
    assert {SpeechEventType.START_OF_SPEECH, SpeechEventType.INTERIM_TRANSCRIPT} <= kinds(events)


@exercises("livekit-plugins-deepgram", "STTv2 (Flux): turns and their words")
async def test_flux() -> None:
    async with embedded() as served:
        events = await transcribed_by(flux_stt(served))
    assert mistakes(final_text(events)) <= 3
    assert SpeechEventType.END_OF_SPEECH in kinds(events)


@exercises("livekit-agents", "a key that is wrong: one attempt, and the error the framework expects")
@pytest.mark.parametrize(
    ("client", "error"),
    [(openai_stt, WSServerHandshakeError), (deepgram_stt, APIStatusError), (flux_stt, APIStatusError)],
)
async def test_a_wrong_key_is_an_error_of_the_framework(
    client: Callable[[Served, str], stt.STT], error: type[APIStatusError | WSServerHandshakeError]
) -> None:
    settings = load_settings({"server": {"api_keys": ["secret"]}})
    async with serving(ScriptedEngine(), settings) as served:
        with pytest.raises(error, match=r"401|Invalid"):
            await transcribed_by(client(served, "wrong"))
