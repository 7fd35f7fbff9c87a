"""Mistral's Python client, which asks as OpenAI's does and wants more in the answer."""

from collections.abc import Mapping

import pytest
from mistralai.client import Mistral
from mistralai.client.errors import SDKError

from tests.compatibility import exercises
from tests.uploading import SPOKEN, SPOKEN_TEXT, serving_files, wav

FILE: Mapping[str, object] = {"file_name": "talk.wav", "content": SPOKEN}


@exercises("mistralai", "audio.transcriptions.complete: a file, one with segments, one without speech, a refusal")
async def test_a_file_is_transcribed() -> None:
    silent = {"file_name": "silent.wav", "content": wav(bytes(32_000))}
    async with serving_files() as served:
        transcriptions = Mistral(api_key="any", server_url=served.url).audio.transcriptions
        plain = await transcriptions.complete_async(model="voxtral-mini-latest", file=FILE, language="en")
        segments = ["segment"]
        timed = await transcriptions.complete_async(model="any", file=FILE, timestamp_granularities=segments)
        nothing = await transcriptions.complete_async(model="any", file=silent)
        with pytest.raises(SDKError) as refused:
            await transcriptions.complete_async(model="any", file=FILE, temperature=2.0)
    assert (plain.text, plain.language, plain.model) == (SPOKEN_TEXT, "en", "script")
    assert timed.text == SPOKEN_TEXT
    assert (nothing.text, nothing.language) == ("", None)
    assert (refused.value.status_code, "temperature" in refused.value.body) == (400, True)
