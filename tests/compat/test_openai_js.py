"""OpenAI's JavaScript client, run by node."""

import json
import os
import shutil
from pathlib import Path

import anyio
import pytest

from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from tests.certificates import Authority
from tests.compatibility import NODE_MODULES, exercises
from tests.meeting import spoken_frames
from tests.realtime_client import at_24_khz
from tests.servers import serving

SCRIPT = Path(__file__).parent / "openai.cjs"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (NODE_MODULES / "openai").is_dir(), reason="no node, or no package"
)


@exercises("npm:openai", "Realtime from Node, which supports wss only: a certificate of the gateway itself")
async def test_realtime_from_node_through_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    settings = load_settings({"server": authority.sign().settings()})
    async with serving(ScriptedEngine(), settings) as served:
        finished = await anyio.run_process(
            ["node", str(SCRIPT), served.url.removeprefix("https://")],
            input=at_24_khz(spoken_frames(5.0)).tobytes(),
            env={**os.environ, "NODE_PATH": str(NODE_MODULES), "NODE_EXTRA_CA_CERTS": str(authority.path)},
        )
    events = [json.loads(line) for line in finished.stdout.splitlines()]
    assert events[0]["type"] == "session.created"
    assert not [event for event in events if event["type"] == "error"]
    assert any(event["transcript"] for event in events if event["type"].endswith("transcription.completed"))
