"""vosk's own clients with the gateway's dialect: the package's transcriber, and the samples of vosk-server."""

import asyncio
import json
import os
import shutil
import sys
from argparse import Namespace
from pathlib import Path

import anyio
import pytest
from vosk.transcriber.transcriber import Transcriber

from tests.compatibility import NODE_MODULES, exercises
from tests.sessions import silence, speech
from tests.uploading import serving_files, wav
from tests.vosk_client import url_of

LONG = silence(0.4) + speech(20.0) + silence(1.6)
"""An utterance of 20 s without a pause."""

SPOKEN_TEXT = "one two three four five six seven eight nine ten"
"""Its transcript by the scripted engine."""

VOSK_SERVER = Path(os.environ.get("VOSK_SERVER") or "no clone")
"""A clone of vosk-server, whose samples are in no package."""

with_clone = pytest.mark.skipif(not VOSK_SERVER.is_dir(), reason="VOSK_SERVER is no clone of vosk-server")


@exercises("vosk", "its transcriber with a server: an utterance of 20 s in lock-step, as text and as subtitles")
async def test_the_transcriber_of_the_package() -> None:
    audio = asyncio.StreamReader()
    audio.feed_data(LONG)
    audio.feed_eof()
    async with serving_files() as served:
        transcriber = object.__new__(Transcriber)  # its constructor loads weights, which a server makes needless
        transcriber.args = Namespace(server=url_of(served), output_type="txt")
        results, read_bytes = await transcriber.recognize_stream_server(Namespace(stdout=audio))
    assert read_bytes == len(LONG)
    assert transcriber.format_result(results) == f"{SPOKEN_TEXT}\n"
    transcriber.args.output_type = "srt"
    assert "one" in transcriber.format_result(results)


@with_clone
@exercises("vosk-server test.py", "the sample itself, but for its address: an utterance of 20 s")
@pytest.mark.parametrize("sample", ["test.py", "test_words.py"])
async def test_the_samples_in_python(sample: str, tmp_path: Path) -> None:
    source = (VOSK_SERVER / "websocket" / sample).read_text(encoding="utf-8")
    (tmp_path / "test.wav").write_bytes(wav(LONG))
    async with serving_files() as served:
        (tmp_path / sample).write_text(source.replace("ws://localhost:2700", url_of(served)), encoding="utf-8")
        finished = await anyio.run_process([sys.executable, sample, "test.wav"], cwd=tmp_path)
    assert text_in(finished.stdout.decode()) == SPOKEN_TEXT


@with_clone
@pytest.mark.skipif(shutil.which("node") is None or not (NODE_MODULES / "ws-7").is_dir(), reason="no node, or no ws")
@exercises("vosk-server test.js", "the sample itself, but for its address: an utterance of 20 s; it ends by itself")
async def test_the_sample_in_javascript(tmp_path: Path) -> None:
    source = (VOSK_SERVER / "client-samples" / "node" / "test.js").read_text(encoding="utf-8")
    narrow = b"".join(LONG[at : at + 2] for at in range(0, len(LONG), 4))
    (tmp_path / "test.wav").write_bytes(wav(narrow, 8_000))
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "ws").symlink_to(NODE_MODULES / "ws-7")  # later ones print messages as bytes
    async with serving_files() as served:
        address = source.replace("wss://api.alphacephei.com/asr/en/", url_of(served))
        (tmp_path / "test.js").write_text(address, encoding="utf-8")
        finished = await anyio.run_process(["node", "test.js"], cwd=tmp_path)
    assert text_in(finished.stdout.decode()) == SPOKEN_TEXT


def text_in(printed: str) -> str:
    """Return the words of all results among replies that were printed one after the other."""
    texts: list[str] = []
    rest = printed.strip()
    while rest:
        reply, end = json.JSONDecoder().raw_decode(rest)
        rest = rest[end:].lstrip()
        texts += [reply["text"]] if reply.get("text") else []
    return " ".join(texts)
