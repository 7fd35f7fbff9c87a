"""Real recordings for tests. They are not part of the project; tests that need them are skipped without them."""

from pathlib import Path

import pytest

from benchmarks.recordings import SHARED_AUDIO, read_recording
from vad.audio import Float32

__all__ = ["recording", "recording_path"]


def recording(name: str) -> Float32:
    """Return a recording, float32 mono 16 kHz, or skip the test if it is missing."""
    return read_recording(recording_path(name))


def recording_path(name: str) -> Path:
    """Return the path of a recording, or skip the test if it is missing."""
    path = SHARED_AUDIO / name
    if not path.exists():
        pytest.skip(f"no recording {name}")
    return path
