"""A gateway with real weights, in this process and without a socket. Tests are skipped without the weights."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import numpy as np
import pytest
from openai import AsyncOpenAI
from openai.types.audio import TranscriptionVerbose

from benchmarks.arms import gateway_settings
from benchmarks.captions import aligned
from benchmarks.doubling import spelled_words
from benchmarks.sets import speech_dbfs
from decoder.engine_selection import create_engine
from gateway.http.app import create_app
from gateway.runtime import Gateway, open_gateway
from tools.real_models import model_directory
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["ServedModel", "at_level", "module_serving_model", "serving_model", "wav_of", "weights", "word_recall"]


def weights(name: str) -> Path:
    """Return the folder of real weights, or skip the test if they are missing."""
    directory = model_directory(name)
    if directory is None:
        pytest.skip(f"no weights {name}: `make models` lays them out")
    return directory


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A gateway, and an OpenAI client of it."""

    gateway: Gateway
    client: AsyncOpenAI

    async def transcription(self, audio: Float32, prompt: str = "") -> TranscriptionVerbose:
        """Return the transcription of English audio, float32[samples] or float32[samples, channels]."""
        return await self.client.audio.transcriptions.create(
            file=("speech.wav", wav_of(audio)),
            model="whisper-1",
            response_format="verbose_json",
            language="en",
            prompt=prompt,
            timestamp_granularities=["word", "segment"],
        )

    async def text(self, audio: Float32, prompt: str = "") -> str:
        """Return the text of the transcription."""
        return (await self.transcription(audio, prompt)).text


@asynccontextmanager
async def serving_model(
    name: str, overrides: Mapping[str, Mapping[str, object]] | None = None
) -> AsyncIterator[ServedModel]:
    """Run a gateway with these weights and otherwise default settings while the block lasts."""
    # the gateway of a module and that of a test may run at the same time, and a journal has one gateway
    settings = gateway_settings(weights(name), {"journal": {"enabled": False}, **(overrides or {})})
    async with open_gateway(settings, create_engine(settings.engine)) as gateway:
        transport = httpx2.ASGITransport(create_app(gateway))
        async with httpx2.AsyncClient(transport=transport) as http:
            client = AsyncOpenAI(
                api_key="any", base_url="http://gateway/v1", max_retries=0, timeout=300, http_client=http
            )
            yield ServedModel(gateway, client)


@asynccontextmanager
async def module_serving_model(name: str) -> AsyncIterator[ServedModel]:
    """Do the same for a module's fixture, which pytest enters in one task and leaves in another."""
    weights(name)
    ready: asyncio.Future[ServedModel] = asyncio.get_running_loop().create_future()
    is_over = asyncio.Event()

    async def hold() -> None:
        try:
            async with serving_model(name) as listener:
                ready.set_result(listener)
                await is_over.wait()
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)

    holding = asyncio.create_task(hold())
    try:
        yield await ready
    finally:
        is_over.set()
        await holding


def wav_of(audio: Float32) -> bytes:
    """Return a WAV file, 16 bits, of float32[samples] or float32[samples, channels] at 16 kHz."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1 if audio.ndim == 1 else audio.shape[1])
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(np.clip(np.round(audio * 32_767), -32_768, 32_767).astype("<i2").tobytes())
    return target.getvalue()


def at_level(audio: Float32, level_dbfs: float) -> Float32:
    """Return audio amplified so that the louder half of its frames has that level."""
    present_dbfs = speech_dbfs(audio)
    assert present_dbfs is not None, "digital silence has no level"
    return audio * np.float32(10 ** ((level_dbfs - present_dbfs) / 20))


def word_recall(spoken: str, written: str) -> float:
    """Return the share of the spoken words that are in the transcript, 0..1."""
    words, others = spelled_words(spoken), spelled_words(written)
    pairs = aligned(words, others)
    return sum(i is not None and j is not None and words[i] == others[j] for i, j in pairs) / len(words)
