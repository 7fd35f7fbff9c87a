"""Prompts, noise and repeated sentences, with real weights on recordings."""

from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from decoder.engines.whisper.engine import create
from decoder.hallucination_filter import judge
from decoder.prompts import condense_prompt
from decoder.settings import EngineSettings, GuardSettings
from decoder.types import Hypothesis, RequestKind
from decoder.whisper.engine import WhisperEngine
from tests.contracts.engines import request
from tests.recordings import recording
from tools.real_models import model_directory
from vad.audio import Float32, s_to_samples

pytestmark = pytest.mark.asyncio(loop_scope="module")

JARVIS = "The assistant is called Jarvis."
TOOLS = "Kubernetes and Grafana are tools. "


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[WhisperEngine]:
    model = model_directory("whisper-tiny.en")
    if model is None:
        pytest.skip("whisper-tiny.en is not laid out here")
    made = create(EngineSettings(model=str(model), device="cpu", compute_type="int8", final_window="trimmed"))
    await made.warm_up()
    yield made
    await made.aclose()


async def text(engine: WhisperEngine, audio: Float32, prompt: str = "", speech_probability: float = 0.9) -> str:
    """Return the text of a final for the audio."""
    asked = request(
        audio, kind=RequestKind.FINAL, prompt=condense_prompt(prompt), speech_probability=speech_probability
    )
    [answer] = await engine.decode([asked])
    assert isinstance(answer, Hypothesis)
    verdict = judge(asked, answer, GuardSettings())
    return "".join(word.text for word in verdict.words).strip()


@pytest.mark.parametrize("name", ["noise_humming_engine.flac", "music_vibe_ace.flac", "music_trumpet.flac"])
@pytest.mark.parametrize("prompt", [JARVIS, TOOLS * 30])
async def test_a_prompt_on_noise_is_no_text(engine: WhisperEngine, name: str, prompt: str) -> None:
    assert await text(engine, recording(name)[: s_to_samples(3.0)], prompt, speech_probability=0.05) == ""


@pytest.mark.parametrize("name", ["en_lj/LJ001-0008.flac", "en_librispeech/1089-134691-0000.flac"])
async def test_a_prompt_that_repeats_itself_replaces_no_speech(engine: WhisperEngine, name: str) -> None:
    audio = recording(name)
    prompted, plain = await text(engine, audio, TOOLS * 30), await text(engine, audio)
    assert plain
    assert "Grafana" not in prompted
    assert len(prompted.split()) == len(plain.split())


async def test_a_spoken_prompt_is_transcribed(engine: WhisperEngine) -> None:
    audio = recording("en_home_in_the_stars.flac")
    spoken = "We must find a new home in the stars."
    assert await text(engine, audio, spoken) == spoken


async def test_a_sentence_that_the_decoder_adds_to_its_text_is_left_out(engine: WhisperEngine) -> None:
    audio = recording("en_harvard.flac")[s_to_samples(14.84) : s_to_samples(17.93)]
    assert (await text(engine, audio)).count("hot cross bun") == 1


async def test_a_sentence_spoken_twice_is_transcribed_twice(engine: WhisperEngine) -> None:
    once = recording("en_harvard.flac")[s_to_samples(4.1) : s_to_samples(6.7)]
    twice = await text(engine, np.concatenate([once, once]))
    assert twice.lower().count("takes heat") == 2
