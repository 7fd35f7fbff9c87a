"""Clients in JavaScript that upload a file, run by node."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from clients import demo
from tests.compat.speaking import embedded
from tests.compatibility import NODE_MODULES, exercises
from tests.meeting import words

HERE = Path(__file__).parent
TALK = Path(demo.__file__).parent / "talk.flac"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (NODE_MODULES / "openai").is_dir(), reason="no node, or no packages"
)


async def answer_of(script: str, *arguments: str) -> Mapping[str, object]:
    """Return what a script prints of the demo's recording, transcribed by the embedded engine."""
    async with embedded() as served:
        finished = await anyio.run_process(
            ["node", str(HERE / script), served.url, *arguments],
            input=TALK.read_bytes(),
            env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
        )
    answer: Mapping[str, object] = json.loads(finished.stdout)
    return answer


def is_the_talk(text: object) -> bool:
    lines = TALK.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    spoken = {word for line in lines for word in words(line.partition("\t")[2])}
    return len(spoken & set(words(str(text)))) > 0.9 * len(spoken)


@exercises("@ai-sdk/openai", "transcribe: a file with its segments")
async def test_the_ai_sdk_has_a_file_and_its_segments() -> None:
    answer = await answer_of("ai_sdk.cjs", "ai", "@ai-sdk/openai")

    assert is_the_talk(answer["text"])
    assert answer["segments"]


@exercises("@ai-sdk/openai-3", "transcribe: a file")
async def test_the_ai_sdk_before_it_has_a_file() -> None:
    assert is_the_talk((await answer_of("ai_sdk.cjs", "ai-6", "@ai-sdk/openai-3"))["text"])


@exercises("@ai-sdk/deepgram", "transcribe: a file with its words")
async def test_the_ai_sdk_has_a_file_from_deepgrams_api() -> None:
    answer = await answer_of("ai_sdk.cjs", "ai", "@ai-sdk/deepgram")

    assert is_the_talk(answer["text"])
    assert answer["segments"]


@exercises("npm:openai", "transcriptions: json, srt, verbose_json with words, stream, a refusal")
async def test_openais_client_reads_every_format() -> None:
    answers = await answer_of("openai_files.cjs")

    plain, verbose, events = answers["json"], answers["verbose"], answers["events"]
    assert isinstance(plain, dict)
    assert isinstance(verbose, dict)
    assert isinstance(events, list)
    assert all(is_the_talk(answer["text"]) for answer in (plain, verbose, events[-1]))
    assert verbose["words"]
    assert verbose["segments"]
    assert str(answers["srt"]).startswith("1\n00:00:")
    assert answers["refused"] == {"status": 400, "code": "validation_error"}
