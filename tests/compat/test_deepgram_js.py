"""Deepgram's JavaScript client, run by node."""

import json
import os
import shutil
from pathlib import Path

import anyio
import pytest

from decoder.engines.scripted import ScriptedEngine
from tests.compatibility import NODE_MODULES, exercises
from tests.meeting import spoken_frames
from tests.servers import serving

SCRIPT = Path(__file__).parent / "deepgram.cjs"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (NODE_MODULES / "@deepgram" / "sdk").is_dir(), reason="no node, or no package"
)


@exercises("@deepgram/sdk", "listen v1 from node: results, interim and final, metadata, close 1000")
async def test_results_come_and_the_stream_ends_as_it_should() -> None:
    async with serving(ScriptedEngine()) as served:
        finished = await anyio.run_process(
            ["node", str(SCRIPT), served.url.removeprefix("http://")],
            input=b"".join(spoken_frames(8.0)),
            env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
        )
    messages = [json.loads(line) for line in finished.stdout.splitlines()]
    results = [message for message in messages if message["type"] == "Results"]
    assert {message["is_final"] for message in results} == {False, True}
    assert any(message["channel"]["alternatives"][0]["transcript"] for message in results if message["is_final"])
    assert [message["type"] for message in messages[-2:]] == ["Metadata", "closed"]
    assert messages[-1]["code"] == 1000
