"""Home Assistant against a running gateway: its own client library, in its own order, with real speech."""

import jiwer
import pytest
from wyoming.asr import Transcribe
from wyoming.audio import AudioStart

from decoder.engine_selection import create_engine
from gateway.settings import load_settings
from tests.compatibility import exercises
from tests.meeting import spoken_frames, spoken_words, words
from tests.servers import EMBEDDED, serving
from tests.wyoming_client import ask, connected, events_until

pytestmark = pytest.mark.timeout(180)

SETTINGS = load_settings({**EMBEDDED, "server": {"wyoming": "tcp://127.0.0.1:0"}})


@exercises("wyoming", "Home Assistant's sequence with real speech; a language that the engine does not know")
async def test_the_words_are_right() -> None:
    async with serving(create_engine(SETTINGS.engine), SETTINGS) as served:
        transcript = await ask(served, spoken_frames())
        async with connected(served) as client:
            await client.write_event(Transcribe(language="xx").event())
            await client.write_event(AudioStart(16_000, 2, 1).event())
            [refusal] = await events_until(client, "error")
    assert jiwer.wer(" ".join(spoken_words()), " ".join(words(transcript or ""))) <= 0.05
    assert "language" in refusal.data["text"]
