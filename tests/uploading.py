"""Files to upload, engines that can be blocked, and gateways to upload to."""

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

__all__ = ["SPOKEN", "SPOKEN_TEXT", "GatedEngine", "recorded_waits", "serving_files", "utterances", "wav"]


class GatedEngine(ScriptedEngine):
    """Decodes while its gate is open, and records its requests and forgotten sessions.

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
        """Record the forgotten session."""
        self.forgotten.append(session_id)
        self.has_forgotten.set()


def utterances(count: int) -> bytes:
    """Return utterances of 1.2 s, 2.5 s apart, in the native dialect's default format."""
    return (silence(0.5) + speech(1.2) + silence(0.8)) * count


def wav(audio: bytes, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """Return a WAV file of audio in the native dialect's default format, apart from the rate."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(audio)
    return target.getvalue()


SPOKEN = wav(utterances(2))
"""Five seconds."""

SPOKEN_TEXT = "two three four five eight nine ten one"
"""Their transcript by the scripted engine."""


@asynccontextmanager
async def serving_files(
    engine: Engine | None = None, settings: Mapping[str, Mapping[str, object]] | None = None
) -> AsyncIterator[Served]:
    """Serve with the loudness detector, and by default an engine that counts words."""
    wanted = {"session": {"detector": "loudness"}} | dict(settings or {})
    with patch.dict(DETECTORS, loudness=f"{LoudnessDetector.__module__}:LoudnessDetector"):
        async with serving(engine or ScriptedEngine(), load_settings(wanted)) as served:
            yield served


def recorded_waits(client: AsyncOpenAI, on_wait: Callable[[], None] = lambda: None) -> list[float]:
    """Replace the waits of a client's retries, and return the list of their durations."""
    waits: list[float] = []
    calculate = client._calculate_retry_timeout

    def calculate_and_note(*args: object, **kwargs: object) -> float:
        waits.append(calculate(*args, **kwargs))  # type: ignore[arg-type]  # whatever the client gives
        on_wait()
        return 0.0

    client._calculate_retry_timeout = calculate_and_note  # type: ignore[method-assign]  # its clock
    return waits
