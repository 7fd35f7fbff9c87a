"""Files to upload, engines that can be held up, and gateways to upload to."""

import io
import wave
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from unittest.mock import patch

import anyio
from openai import AsyncOpenAI

from decoder.engine import Engine
from decoder.engines.scripted import Script, ScriptedEngine, spoken_count
from decoder.types import DecodeRequest, EngineError, Hypothesis
from gateway.settings import load_settings
from tests.servers import Served, serving
from tests.sessions import LoudnessDetector, silence, speech
from vad.audio import SAMPLE_RATE_HZ
from vad.detector import DETECTORS

__all__ = ["SAID", "SPOKEN", "GatedEngine", "recorded_waits", "serving_files", "utterances", "wav"]


class GatedEngine(ScriptedEngine):
    """Decodes while its gate is open, and keeps what it is asked and told.

    Attributes:
        gate: open at first; another event closes it.
        has_been_asked: set by the first request.
        asked: all requests.
        forgotten: sessions that are over.
        has_forgotten: set by the first of them.
    """

    def __init__(self, script: Script = spoken_count) -> None:
        super().__init__(script)
        self.gate = anyio.Event()
        self.gate.set()
        self.has_been_asked = anyio.Event()
        self.asked: list[DecodeRequest] = []
        self.forgotten: list[str] = []
        self.has_forgotten = anyio.Event()

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return the script's answers once the gate is open."""
        self.asked += batch
        self.has_been_asked.set()
        await self.gate.wait()
        return await super().decode(batch)

    def forget(self, session_id: str) -> None:
        """Note it."""
        self.forgotten.append(session_id)
        self.has_forgotten.set()


def utterances(count: int) -> bytes:
    """Return utterances of 1.2 s, 2.5 s apart, in the native dialect's default format."""
    return (silence(0.5) + speech(1.2) + silence(0.8)) * count


def wav(sound: bytes, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """Return a WAV file of sound in the native dialect's default format, but for the rate."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(sound)
    return target.getvalue()


SPOKEN = wav(utterances(2))
"""Five seconds."""

SAID = "two three four five eight nine ten one"
"""What the scripted engine hears in them."""


@asynccontextmanager
async def serving_files(
    engine: Engine | None = None, settings: Mapping[str, Mapping[str, object]] | None = None
) -> AsyncIterator[Served]:
    """Serve with the loudness detector, and an engine that counts aloud where no other is given."""
    wanted = {"session": {"detector": "loudness"}} | dict(settings or {})
    with patch.dict(DETECTORS, loudness=f"{LoudnessDetector.__module__}:LoudnessDetector"):
        async with serving(engine or ScriptedEngine(), load_settings(wanted)) as served:
            yield served


def recorded_waits(client: AsyncOpenAI, on_wait: Callable[[], None] = lambda: None) -> list[float]:
    """Let a client wait for nothing before it asks again, and return the list of how long it would have."""
    waits: list[float] = []
    calculate = client._calculate_retry_timeout

    def calculate_and_note(*args: object, **kwargs: object) -> float:
        waits.append(calculate(*args, **kwargs))  # type: ignore[arg-type]  # whatever the client gives
        on_wait()
        return 0.0

    client._calculate_retry_timeout = calculate_and_note  # type: ignore[method-assign]  # its clock
    return waits
