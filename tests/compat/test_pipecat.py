"""Pipecat: its speech-to-text services, each in a pipeline of its own."""

from collections.abc import Callable, Iterable

import anyio
import pytest
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.deepgram.flux.stt import DeepgramFluxSTTService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService
from pipecat.services.stt_service import STTService
from pipecat.workers.runner import WorkerRunner

from clients.paced_media import paced
from decoder.engines.scripted import ScriptedEngine
from tests.compat.speaking import embedded, is_whole, mistakes, speech_and_silence
from tests.compatibility import exercises
from tests.meeting import spoken_frames
from tests.servers import Served, serving

pytestmark = pytest.mark.timeout(180)

SPEED = 3
"""Times real time; a service drops the audio before it is connected, so it is not sent all at once."""

LEAD = [bytes(3_200)] * 20
"""Silence meanwhile."""


class Listener(FrameProcessor):  # type: ignore[misc]  # unknown where mypy runs
    """The end of a pipeline: collects the frames of a service.

    Args:
        is_enough: whether a transcript is complete.
    """

    def __init__(self, is_enough: Callable[[str], bool]) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.has_transcript = anyio.Event()
        self._is_enough = is_enough

    @property
    def text(self) -> str:
        """What has been transcribed for good."""
        return " ".join(frame.text for frame in self.frames if isinstance(frame, TranscriptionFrame))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Keep a frame and pass it on."""
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        if self._is_enough(self.text):
            self.has_transcript.set()
        await self.push_frame(frame, direction)


def audio_frames(pieces: Iterable[bytes]) -> list[Frame]:
    return [InputAudioRawFrame(piece, 16_000, 1) for piece in pieces]


def ws_url(served: Served) -> str:
    return served.url.replace("http", "ws", 1)


async def transcribed_by(
    service: STTService, frames: Iterable[Frame] | None = None, is_enough: Callable[[str], bool] = is_whole
) -> Listener:
    """Return what a service makes of frames; else of the recording, up to its last word."""
    listener = Listener(is_enough)
    worker = PipelineWorker(
        Pipeline([service, listener]), params=PipelineParams(audio_in_sample_rate=16_000), cancel_on_idle_timeout=False
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)

    async def speak() -> None:
        async for frame in paced(iter(frames or [*audio_frames(LEAD), *audio_frames(speech_and_silence())]), SPEED):
            await worker.queue_frame(frame)
        await listener.has_transcript.wait()
        await worker.queue_frame(EndFrame())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speak)
        tasks.start_soon(runner.run)
    assert not [frame for frame in listener.frames if isinstance(frame, ErrorFrame)]
    return listener


def has_interims(listener: Listener) -> bool:
    return any(isinstance(frame, InterimTranscriptionFrame) for frame in listener.frames)


@exercises("pipecat-ai", "OpenAIRealtimeSTTService with server VAD: interim and final transcripts, the words")
async def test_openai_realtime() -> None:
    async with embedded() as served:
        listener = await transcribed_by(
            OpenAIRealtimeSTTService(
                api_key="any", base_url=f"{ws_url(served)}/v1/realtime", turn_detection={"type": "server_vad"}
            )
        )
    assert mistakes(listener.text) <= 3
    assert has_interims(listener)


@exercises("pipecat-ai", "OpenAIRealtimeSTTService with local VAD: one commit for all of the speech")
async def test_openai_realtime_committed() -> None:
    async with serving(ScriptedEngine()) as served:
        service = OpenAIRealtimeSTTService(api_key="any", base_url=f"{ws_url(served)}/v1/realtime")
        turn = [VADUserStartedSpeakingFrame(), *audio_frames(spoken_frames(8.0)), VADUserStoppedSpeakingFrame()]
        listener = await transcribed_by(service, [*audio_frames(LEAD), *turn], bool)
    finals = [frame for frame in listener.frames if isinstance(frame, TranscriptionFrame)]
    assert len(finals) == 1
    assert len(listener.text.split()) > 15  # a word each 0.4 s


@exercises("pipecat-ai", "DeepgramSTTService: interim and final transcripts, the words")
async def test_deepgram() -> None:
    async with embedded() as served:
        listener = await transcribed_by(DeepgramSTTService(api_key="any", base_url=ws_url(served)))
    assert mistakes(listener.text) <= 3
    assert has_interims(listener)


@exercises("pipecat-ai", "DeepgramFluxSTTService: turns and their words")
async def test_flux() -> None:
    async with embedded() as served:
        listener = await transcribed_by(DeepgramFluxSTTService(api_key="any", url=f"{ws_url(served)}/v2/listen"))
    assert mistakes(listener.text) <= 3
