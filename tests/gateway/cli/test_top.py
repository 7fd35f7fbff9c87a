"""`livecue top` shows the live sessions of a gateway."""

import json
import os
import pty
import sys
from unittest.mock import patch

import anyio
import websockets
from anyio import to_thread
from typer.testing import CliRunner, Result

from decoder.engines.scripted import ScriptedEngine
from gateway.cli.main import app
from gateway.settings import load_settings
from gateway.wire import Start
from gateway.wire.native.codec import NativeClientCodec
from tests.servers import serving
from tests.sessions import silence, speech
from vad.detector import DETECTORS

START = str(NativeClientCodec().send(Start(language="en"))[0])
LOUD = load_settings({"session": {"detector": "loudness"}})


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gateway", "top", *arguments]


async def output(*arguments: str) -> Result:
    return await to_thread.run_sync(lambda: CliRunner().invoke(app, ["top", *arguments]))


async def test_the_sessions_of_a_gateway_are_printed_once_as_lines_and_as_json() -> None:
    with patch.dict(DETECTORS, loudness="tests.sessions:LoudnessDetector"):
        async with serving(ScriptedEngine(), LOUD) as served, websockets.connect(served.stream_url) as socket:
            await socket.send(START)
            await socket.send(speech(1.0) + silence(1.0))
            while json.loads(await socket.recv())["type"] != "final":
                pass
            lines, objects = await output(served.url, "--once"), await output(served.url, "--once", "--json")

    assert lines.exit_code == 0, lines.stderr
    summary, headings, row, *_ = lines.stdout.splitlines()
    assert summary.startswith("1 sessions · free streams 199 · engine queue 0 · real-time factor ")
    assert headings.split()[:4] == ["session", "dialect", "language", "age"]
    assert row.split()[1:3] == ["native", "en"]
    (parsed,) = [json.loads(line) for line in objects.stdout.splitlines()]
    (session,) = parsed["sessions"]
    assert session["words"] > 0
    assert (session["audio_s"], session["lag_s"]) == (2.0, 0.0)
    assert parsed["load"]["waiting"] == 0


async def test_a_gateway_that_cannot_be_reached_is_named_in_one_line() -> None:
    failed = await output("http://127.0.0.1:9", "--once")

    assert failed.exit_code == 1
    assert failed.stderr.startswith("livecue: http://127.0.0.1:9/v1/sessions cannot be reached")
    assert failed.stderr.count("\n") == 1


async def test_an_address_that_is_none_is_refused() -> None:
    failed = await output("ftp://example.com", "--once")

    assert (failed.exit_code, failed.stderr) == (2, "livecue: ftp://example.com: expected http://HOST:PORT\n")


async def test_the_key_q_ends_the_display_in_a_terminal() -> None:
    ours, theirs = pty.openpty()
    async with serving(ScriptedEngine()) as served:
        environment = os.environ | {"TERM": "xterm"}
        async with await anyio.open_process(
            command(served.url), stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        ) as process:
            os.close(theirs)
            shown = b""
            with anyio.fail_after(30):
                while b"q quits" not in shown:
                    shown += await to_thread.run_sync(os.read, ours, 4_096)
                os.write(ours, b"xq")
                assert await process.wait() == 0
    os.close(ours)
    assert b"0 sessions" in shown
