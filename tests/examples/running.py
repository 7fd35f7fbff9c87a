"""Run a script of examples/ as a user does: in its own process, against a gateway."""

import os
import subprocess
import sys
import wave
from collections.abc import Mapping
from pathlib import Path

import anyio
import numpy as np

from tests.audio import silence, speechlike
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["EXAMPLES", "environment", "lines_of", "two_utterances", "write_recording"]

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"


def environment(*packages: Path) -> Mapping[str, str]:
    """Return the variables of a script's process, which finds this checkout and folders of packages."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*packages, ROOT)))}


async def lines_of(script: str, *arguments: str) -> list[str]:
    """Return the output of a script, which must succeed."""
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    finished = await anyio.run_process(command, env=environment(), stderr=subprocess.STDOUT, check=False)
    assert finished.returncode == 0, finished.stdout.decode()
    return finished.stdout.decode().splitlines()


def two_utterances() -> bytes:
    """Return int16 at 16 kHz: speech of 1.2 s, a pause that ends it, speech of 1.0 s."""
    audio = np.concatenate([speechlike(1.2), silence(1.0), speechlike(1.0), silence(1.0)])
    return (audio * np.iinfo(np.int16).max).astype("<i2").tobytes()


def write_recording(folder: Path) -> str:
    """Write `two_utterances` as a WAV file and return its path."""
    path = folder / "two.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(two_utterances())
    return str(path)
