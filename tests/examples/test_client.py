"""examples/client.mjs: the protocol from another language, run by Node with its own WebSocket."""

import re
import shutil
import subprocess
from pathlib import Path

import anyio
import pytest

from clients import demo
from clients.paced_media import MediaFile
from decoder.engines.scripted import CostModel, ScriptedEngine
from tests.examples.running import EXAMPLES, two_utterances
from tests.servers import serving

TALK = Path(demo.__file__).with_name("talk.flac")
BYTES_PER_S = 32_000

NODE = shutil.which("node")
FIRST_WITH_WEBSOCKET, FIRST_WITH_FLAG = 22, 20


def command() -> list[str] | None:
    """Return how a script is run; None: by nothing on this machine."""
    if NODE is None:
        return None
    found = re.match(r"v(\d+)", subprocess.run([NODE, "--version"], capture_output=True, text=True).stdout)  # noqa: S603  # node
    major = int(found[1]) if found else 0
    if major < FIRST_WITH_FLAG:
        return None
    return [NODE] if major >= FIRST_WITH_WEBSOCKET else [NODE, "--experimental-websocket"]


@pytest.mark.skipif(command() is None, reason="no Node with a WebSocket")
async def test_finals_are_printed_with_their_times() -> None:
    run = command()
    assert run is not None
    async with serving(ScriptedEngine()) as served:
        script = str(EXAMPLES / "client.mjs")
        finished = await anyio.run_process([*run, script, served.stream_url], input=two_utterances())

    lines = finished.stdout.decode().splitlines()
    assert [line.partition(" s  ")[2].split()[0] for line in lines] == ["one", "seven"]


@pytest.mark.slow
@pytest.mark.skipif(command() is None, reason="no Node with a WebSocket")
async def test_audio_beyond_the_send_ahead_limit_waits_for_acks() -> None:
    run = command()
    assert run is not None
    with MediaFile(str(TALK)) as media:
        talk = b"".join(media.frames())
    slow = ScriptedEngine(cost=CostModel(batch_s=1.0))  # more at once than the rule allows would be too far behind
    async with serving(slow) as served:
        script = str(EXAMPLES / "client.mjs")
        finished = await anyio.run_process([*run, script, served.stream_url], input=4 * talk)

    times_s = [float(line.partition(" s")[0]) for line in finished.stdout.decode().splitlines()]
    assert times_s == sorted(times_s)
    assert times_s[-1] > 3.5 * len(talk) / BYTES_PER_S
