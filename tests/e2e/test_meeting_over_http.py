"""The main job over HTTP: a spoken file in, the right words out, by OpenAI's client on the embedded engine."""

import io

import jiwer
import pytest
import webvtt
from openai import AsyncOpenAI
from openai.types.audio import TranscriptionVerbose

from decoder.engine_selection import create_engine
from gateway.settings import load_settings
from tests.meeting import RECORDING, spoken_words, words
from tests.servers import EMBEDDED, serving

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]


def wrong_share(text: str) -> float:
    share = jiwer.wer(" ".join(spoken_words()), " ".join(words(text)))
    assert isinstance(share, float)
    return share


async def test_the_words_are_right_and_at_their_times() -> None:
    settings = load_settings(EMBEDDED)
    async with (
        serving(create_engine(settings.engine), settings) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as client,
    ):
        create = client.audio.transcriptions.create
        verbose = await create(
            file=RECORDING,
            model="whisper-1",
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        captions = await create(file=RECORDING, model="whisper-1", response_format="vtt")
    assert isinstance(verbose, TranscriptionVerbose)
    assert wrong_share(verbose.text) <= 0.05
    assert isinstance(captions, str)
    cues = webvtt.from_buffer(io.StringIO(captions)).captions
    assert wrong_share(" ".join(cue.text for cue in cues)) <= 0.05
    assert verbose.words is not None
    assert verbose.segments is not None
    assert len(verbose.segments) == 8  # a sentence each
    spans = [(word.start, word.end) for word in verbose.words]
    assert spans == sorted(spans)
    assert verbose.segments[0].start == spans[0][0]
    assert all(0 <= start <= end <= verbose.duration for start, end in spans)
