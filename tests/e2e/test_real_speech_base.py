"""The same with the multilingual weights: prompts, a phrase between pauses, and cues of a script without spaces."""

import re
from base64 import b64encode
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
import soxr

from gateway.wire.openai_realtime.codec import OpenAIRealtimeCodec
from tests.real_speech import ServedModel, module_serving_model, wav_of, word_recall
from tests.recordings import recording
from tests.sessions import Message, call
from vad.audio import SAMPLE_RATE_HZ, Float32, s_to_samples

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

FELLOWS = "And so my fellow Americans ask not what your country can do for you"
TOOLS = "Kubernetes and Grafana are tools. "
RATE_HZ = 24_000
"""The rate of OpenAI's clients."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[ServedModel]:
    async with module_serving_model("whisper-base") as listener:
        yield listener


async def committed(gateway: ServedModel, audio: Float32, prompt: str) -> object:
    """Return the transcript of audio that a push-to-talk client commits."""
    pcm = np.round(soxr.resample(audio, SAMPLE_RATE_HZ, RATE_HZ) * 32_767).astype("<i2").tobytes()
    wanted = {
        "format": {"type": "audio/pcm", "rate": RATE_HZ},
        "turn_detection": None,
        "transcription": {"model": "whisper-1", "language": "en", "prompt": prompt},
    }
    update: Message = {
        "type": "session.update",
        "session": {"type": "transcription", "audio": {"input": wanted}},
    }
    append: Message = {"type": "input_audio_buffer.append", "audio": b64encode(pcm).decode()}
    async with call(gateway.gateway.sessions, OpenAIRealtimeCodec(with_cues=False)) as peer:
        await peer.send(update, append, {"type": "input_audio_buffer.commit"})
        messages = await peer.receive_until("conversation.item.input_audio_transcription.completed")
    return messages[-1]["transcript"]


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "The assistant is called Jarvis.",
        "Patient consultation with Doctor Meyer about diabetes and insulin.",
    ],
)
async def test_a_commit_without_speech_has_no_text(gateway: ServedModel, prompt: str) -> None:
    engine_noise = recording("noise_humming_engine.flac")[: s_to_samples(3.0)]
    assert await committed(gateway, engine_noise, prompt) == ""


async def test_a_commit_of_speech_has_its_words_beside_a_prompt(gateway: ServedModel) -> None:
    spoken = recording("en_home_in_the_stars.flac")
    written = await committed(gateway, spoken, "The assistant is called Jarvis.")
    assert word_recall("We must find a new home in the stars.", str(written)) >= 0.85


async def test_a_prompt_that_repeats_itself_does_not_replace_speech(gateway: ServedModel) -> None:
    text = await gateway.text(recording("en_jfk.flac"), TOOLS * 30)
    assert word_recall(f"{FELLOWS} ask what you can do for your country", text) >= 0.85
    assert "kubernetes" not in text.lower()


async def test_a_short_phrase_between_two_pauses_is_written(gateway: ServedModel) -> None:
    text = await gateway.text(recording("en_jfk.flac")[: s_to_samples(8.0)])
    assert word_recall(FELLOWS, text) >= 0.9
    assert "ask not" in text.lower()


async def test_cues_of_chinese_leave_no_character_alone(gateway: ServedModel) -> None:
    subtitles = await gateway.client.audio.transcriptions.create(
        file=("autumn.wav", wav_of(recording("ml_azure_zh_autumn.flac"))),
        model="whisper-1",
        response_format="srt",
        language="zh",
    )
    cues = [cue.split("\n", 2)[2].replace("\n", "") for cue in subtitles.strip().split("\n\n")]
    assert len(cues) > 5
    assert [cue for cue in cues if len(re.sub(r"\W", "", cue)) < 3] == []
