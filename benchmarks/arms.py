"""One recording through one arm: the whole file at once, or streamed through the gateway on the virtual clock."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from ctranslate2 import set_random_seed
from faster_whisper import WhisperModel

from benchmarks.sets import Recording
from benchmarks.virtual import TimedEvents, VirtualGateway
from clients.paced_media import MEDIA_FORMAT
from decoder.engine import Engine, EngineWork
from decoder.engines.scripted import CostModel
from gateway.settings import Settings, load_settings
from gateway.wire import SAMPLE_RATE_HZ, Final, Start
from vad.audio import Float32

__all__ = ["Arm", "Transcribed", "gateway_settings", "pcm_of", "stream", "transcribe_whole"]

COMPUTE_TYPE = "int8"
"""Of all arms: the fastest type on a CPU."""

FRAME_S = 0.02
"""Frame length of live clients."""

BEAM_SIZE = 5
"""Whisper's default, for whole files as for the gateway's finals."""

FULL_WINDOW_S = 30.0


class Arm(StrEnum):
    """How a recording is transcribed."""

    WHOLE = "whole"
    PARTIALS_OFF = "partials-off"
    SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The transcript of one arm, and its cost.

    Attributes:
        text: all of it.
        moments: events of the session, oldest first; empty without a session.
        cpu_s: CPU time of this process while it decoded.
        work: of the engine; None if not counted.
        requests: number of decoded requests.
    """

    text: str
    cpu_s: float
    moments: tuple[TimedEvents, ...] = ()
    work: EngineWork | None = None
    requests: int = 0

    @property
    def finals(self) -> list[tuple[float, Final]]:
        """The finals, each with its time of arrival."""
        return [(moment.at_s, event) for moment in self.moments for event in moment.events if isinstance(event, Final)]


def gateway_settings(
    weights: Path, overrides: Mapping[str, Mapping[str, object]], engine_name: str = "whisper"
) -> Settings:
    """Return the gateway's settings with these weights, one thread for the engine, and what is set otherwise."""
    compute_type = "auto" if engine_name == "torch" else COMPUTE_TYPE
    engine = {"name": engine_name, "model": str(weights), "device": "cpu", "compute_type": compute_type}
    alone = {"cpu_threads": 1, "offline": True}
    return load_settings({**overrides, "engine": {**engine, **alone, **overrides.get("engine", {})}})


def transcribe_whole(model: WhisperModel, recording: Recording, language: str | None) -> Transcribed:
    """Return the transcript of the whole file by faster-whisper's own `transcribe`."""
    set_random_seed(0)
    audio = recording.read()
    began_s = time.process_time()
    segments, _ = model.transcribe(audio, language=language, beam_size=BEAM_SIZE)
    text = " ".join(segment.text.strip() for segment in segments)
    return Transcribed(text, time.process_time() - began_s)


async def stream(
    engine: Engine, settings: Settings, recording: Recording, start: Start, cost: CostModel
) -> Transcribed:
    """Stream a recording, and return its transcript.

    Args:
        engine: warm.
        settings: of the gateway.
        recording: to stream.
        start: options of the client.
        cost: of a decode on the virtual clock.
    """
    set_random_seed(0)  # doubtful finals are retried at random temperatures; the seed makes runs repeatable
    before = asdict(engine.work)
    gateway = VirtualGateway(engine, settings, start, [pcm_of(recording.read())], frame_s=FRAME_S, cost=cost)
    [moments] = await gateway.run()
    work = EngineWork(**{name: after - before[name] for name, after in asdict(engine.work).items()})
    return Transcribed(_text(moments), gateway.cpu_s, tuple(moments), work, gateway.requests.total())


def pcm_of(audio: Float32) -> bytes:
    """Return audio, mono at 16 kHz, in the format of files."""
    assert MEDIA_FORMAT.sample_rate_hz == SAMPLE_RATE_HZ
    return np.clip(np.round(audio * 32768), -32768, 32767).astype("<i2").tobytes()


def _text(moments: Sequence[TimedEvents]) -> str:
    return " ".join(event.text for moment in moments for event in moment.events if isinstance(event, Final))
