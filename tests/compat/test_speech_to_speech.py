"""Hugging Face's speech-to-speech, with speech recognition that is elsewhere: over HTTP, and as OpenAI's Realtime."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Event, Thread

import numpy as np
import pytest
from anyio import to_thread
from speech_to_speech.pipeline.messages import PIPELINE_END, PartialTranscription, Transcription, VADAudio
from speech_to_speech.STT.base_stt_handler import BaseSTTHandler
from speech_to_speech.STT.openai_compatible_handler import OpenAICompatibleSTTHandler
from speech_to_speech.STT.streaming_handler import OpenAIRealtimeSTTHandler

from tests.compat.speaking import embedded
from tests.compatibility import exercises
from tests.meeting import TALK, TALK_BEGINNING, TALK_BEGINNING_S, spoken_frames, wrong_share

pytestmark = pytest.mark.timeout(180)

FRAMES = spoken_frames(TALK_BEGINNING_S, TALK)

PCM = np.frombuffer(b"".join(FRAMES), "<i2").astype(np.float32) / 32_768

TURN = {"turn_id": "turn", "turn_revision": 0}

PATIENCE_S = 150.0


@contextmanager
def at_work(handler: BaseSTTHandler) -> Iterator[Queue[object]]:
    """Run a stage of the pipeline, and give what it sends on."""
    thread = Thread(target=handler.run)
    thread.start()
    try:
        yield handler.queue_out
    finally:
        handler.queue_in.put(PIPELINE_END)
        thread.join()


@exercises("speech-to-speech", "--stt openai: a partial and a final transcription of a turn")
async def test_a_turn_is_transcribed_over_http() -> None:
    def turn(url: str) -> tuple[object, object]:
        setup = {"base_url": f"{url}/v1", "model": "whisper-1", "timeout": PATIENCE_S}
        handler = OpenAICompatibleSTTHandler(Event(), Queue(), Queue(), setup_kwargs=setup)
        with at_work(handler) as outputs:
            handler.queue_in.put(VADAudio(audio=PCM[: len(PCM) // 2], mode="progressive", **TURN))
            partial = outputs.get(timeout=PATIENCE_S)
            handler.queue_in.put(VADAudio(audio=PCM, mode="final", **TURN))
            return partial, outputs.get(timeout=PATIENCE_S)

    async with embedded() as served:
        partial, final = await to_thread.run_sync(turn, served.url)
    assert isinstance(partial, PartialTranscription)
    assert partial.text
    assert isinstance(final, Transcription)
    assert wrong_share(final.text, TALK_BEGINNING.split()) <= 0.1
    assert final.language_code == "en"


@exercises("speech-to-speech", "its OpenAI Realtime back end: audio as it arrives, a commit, deltas and the transcript")
async def test_a_turn_is_transcribed_as_it_is_spoken() -> None:
    def turn(url: str) -> list[object]:
        setup = {
            "base_url": f"{url}/v1",
            "model": "whisper-1",
            "audio_sample_rate": 24_000,
            "connect_timeout": PATIENCE_S,
            "final_timeout": PATIENCE_S,
        }
        handler = OpenAIRealtimeSTTHandler(Event(), Queue(), Queue(), setup_kwargs=setup)
        outputs: list[object] = []
        with at_work(handler) as queue:
            handler.start_turn(*TURN.values())
            for frame in FRAMES:
                handler.append_audio(frame)
            handler.commit_boundary(*TURN.values())
            handler.queue_in.put(VADAudio(audio=PCM, mode="final", **TURN))
            while not outputs or isinstance(outputs[-1], PartialTranscription):
                outputs.append(queue.get(timeout=PATIENCE_S))
        return outputs

    async with embedded() as served:
        *partials, final = await to_thread.run_sync(turn, served.url)
    assert isinstance(final, Transcription)
    assert wrong_share(final.text, TALK_BEGINNING.split()) <= 0.1
    assert partials
