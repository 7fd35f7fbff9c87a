"""Real speech through the whole gateway with real weights: inputs of kinds that once went wrong."""

from collections.abc import AsyncIterator
from itertools import pairwise

import numpy as np
import pytest
import pytest_asyncio

from benchmarks.arms import gateway_settings, stream
from benchmarks.captions import displays
from benchmarks.doubling import doubled_phrases, spelled_words
from benchmarks.sets import read_sets
from clients.paced_media import MEDIA_FORMAT
from decoder.engine_selection import create_engine
from decoder.engines.scripted import CostModel
from gateway.wire import Start
from tests.audio import noise, silence, tone
from tests.real_speech import ServedModel, at_level, module_serving_model, serving_model, weights, word_recall
from tests.recordings import recording, recording_path
from vad.audio import Float32, s_to_samples

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

COST = CostModel(batch_s=0.15)

HOME = "We must find a new home in the stars."
PRINTED = (
    "the forms of printed letters should be beautiful, and that their arrangement on the page should be reasonable and "
    "a help to the shapeliness of the letters themselves"
)
STEW = (
    "he hoped there would be stew for dinner turnips and carrots and bruised potatoes and fat mutton pieces to be "
    "ladled out in thick peppered flour fattened sauce"
)
HARVARD = (
    "The stale smell of old beer lingers. It takes heat to bring out the odor. A cold dip restores health and zest. "
    "A salt pickle tastes fine with ham. Tacos al pastor are my favorite. A zestful food is the hot cross bun."
)
JACKSON = "four one three seven four nine one four two three two two three eight eight six"
READINGS = {"en_lj/LJ001-0015.flac": PRINTED, "en_librispeech/1089-134686-0000.flac": STEW}

SILENT_FOR = {
    "digital silence": silence(8.0),
    "white noise": noise(8.0, 0.05),
    "quiet white noise": noise(8.0, 0.003),
    "mains hum": tone(8.0, 50.0, 0.1) + tone(8.0, 150.0, 0.03),
    "quiet mains hum": tone(8.0, 50.0, 0.003),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[ServedModel]:
    async with module_serving_model("whisper-tiny.en") as listener:
        yield listener


async def test_word_recall_ignores_surplus_words() -> None:
    assert word_recall("one two three four", "well, One two free four and more") == 0.75


@pytest.mark.parametrize("level_dbfs", [-40, -50, -55])
@pytest.mark.parametrize("name", READINGS)
async def test_quiet_speech_is_written(gateway: ServedModel, name: str, level_dbfs: float) -> None:
    audio = at_level(recording(name), level_dbfs)
    assert word_recall(READINGS[name], await gateway.text(audio)) >= 0.85


@pytest.mark.parametrize("right", [1.0, -1.0, 0.0], ids=["same", "opposite", "silent"])
async def test_speech_is_written_whatever_the_other_channel_has(gateway: ServedModel, right: float) -> None:
    left = recording("en_home_in_the_stars.flac")
    audio = np.stack([left, left * np.float32(right)], axis=1)
    assert word_recall(HOME, await gateway.text(audio)) >= 0.85


async def test_a_quiet_speaker_is_written_beside_a_loud_one_with_noise_as_loud_as_the_quiet_one(
    gateway: ServedModel,
) -> None:
    loud, quiet = at_level(recording("en_harvard.flac"), -20), at_level(recording("en_lj/LJ001-0015.flac"), -50)
    left, right = np.concatenate([loud, 0 * quiet]), np.concatenate([0 * loud, quiet])
    left += noise(len(left) / 16_000, 10 ** (-48 / 20))[: len(left)]
    text = await gateway.text(np.stack([left, right], axis=1))
    assert word_recall(f"{HARVARD} {PRINTED}", text) >= 0.85


async def test_a_quiet_speaker_beside_a_channel_of_noise_is_written(gateway: ServedModel) -> None:
    left = recording("en_home_in_the_stars.flac")
    audio = np.stack([left, noise(len(left) / 16_000, 0.01)[: len(left)]], axis=1)
    assert word_recall(HOME, await gateway.text(audio)) >= 0.85


@pytest.mark.parametrize("name", READINGS)
async def test_word_times_follow_each_other_and_none_is_empty(gateway: ServedModel, name: str) -> None:
    words = (await gateway.transcription(recording(name))).words
    assert words
    assert [word.word for word in words if word.end <= word.start] == []
    assert [after.word for word, after in pairwise(words) if after.start < word.end - 0.0005] == []


async def test_word_times_of_a_recording_with_many_utterances_follow_each_other(gateway: ServedModel) -> None:
    words = (await gateway.transcription(recording("en_harvard.flac"))).words
    assert words
    assert [after.word for word, after in pairwise(words) if after.start < word.end - 0.0005] == []
    assert [word.word for word in words if word.end <= word.start] == []


@pytest.mark.parametrize("name", SILENT_FOR)
async def test_no_words_are_written_without_speech(gateway: ServedModel, name: str) -> None:
    assert await gateway.text(SILENT_FOR[name]) == ""


@pytest.mark.parametrize(("name", "spoken"), [("en_harvard.flac", HARVARD), ("digits/jackson_2.flac", JACKSON)])
async def test_trimmed_windows_of_finals_double_no_sentence(name: str, spoken: str) -> None:
    async with serving_model("whisper-tiny.en", {"engine": {"final_window": "trimmed"}}) as trimmed:
        text = await trimmed.text(recording(name))
    assert word_recall(spoken, text) >= 0.85
    assert doubled_phrases([text], spelled_words(spoken)) == []


def half_minute(audio: Float32) -> Float32:
    """Return at most half a minute of it."""
    return audio[: s_to_samples(30.0)]


@pytest.mark.parametrize("level_dbfs", [None, -55])
@pytest.mark.parametrize(
    "name",
    [
        "noise_humming_engine.flac",
        "noise_office_ambience.flac",
        "sil_hum_20s.flac",
        "sil_leopard_empty.flac",
        "sil_white_-50dBFS_30s.flac",
    ],
)
async def test_recordings_without_speech_have_no_words(
    gateway: ServedModel, name: str, level_dbfs: float | None
) -> None:
    audio = half_minute(recording(name))
    if level_dbfs is not None:
        audio = at_level(audio, level_dbfs)
    assert await gateway.text(audio) == ""


async def test_nothing_is_displayed_of_recordings_without_speech() -> None:
    recordings = read_sets(recording_path("manifest.json").parent, ["speechless"])["speechless"]
    settings = gateway_settings(weights("whisper-tiny.en"), {})
    engine = create_engine(settings.engine)
    await engine.warm_up()
    displayed = {}
    for each in recordings:
        if not each.name.startswith("music"):
            streamed = await stream(engine, settings, each, Start(MEDIA_FORMAT, language="en"), COST)
            series = displays(streamed.moments).values()
            displayed[each.name] = [
                display.words for displays_of_one in series for display in displays_of_one if display.words
            ]
    await engine.aclose()
    assert len(displayed) >= 5
    assert {name: words for name, words in displayed.items() if words} == {}
