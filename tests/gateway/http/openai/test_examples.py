"""The examples of README and docs, run as they stand against a gateway."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import anyio
import pytest

from tests.uploading import serving_files

ROOT = Path(__file__).parents[4]

ADVERTISED_URL = "http://127.0.0.1:8000"

TEXTS = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/rest.md")]

CURL = [command.strip() for text in TEXTS for command in re.findall(r"^    (curl .*)$", text, re.MULTILINE)]

PYTHON = [
    program
    for text in TEXTS
    for program in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    if "from openai" in program
]


async def output_of(*command: str) -> str:
    done = await anyio.run_process(command, cwd=ROOT, check=False)
    assert done.returncode == 0, f"{done.stdout.decode()}{done.stderr.decode()}"
    return done.stdout.decode()


def test_there_are_examples() -> None:
    assert len(CURL) >= 5
    assert len(PYTHON) == 2


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
@pytest.mark.parametrize("command", CURL)
async def test_curl_gets_what_the_documentation_promises(command: str) -> None:
    async with serving_files() as served:
        _, *arguments = shlex.split(command.replace(ADVERTISED_URL, served.url))
        output = await output_of("curl", "--silent", "--show-error", "--fail-with-body", *arguments)
    begin = {"srt": "1\n00:00", "vtt": "WEBVTT\n\n", "true": 'data: {"type":"transcript.text.delta"'}
    assert output.startswith(begin.get(command.rpartition("=")[2], "{"))


@pytest.mark.parametrize("program", PYTHON)
async def test_openais_client_prints_the_words(program: str) -> None:
    async with serving_files() as served:
        output = await output_of(sys.executable, "-c", program.replace(ADVERTISED_URL, served.url))
    assert "three four five" in output
