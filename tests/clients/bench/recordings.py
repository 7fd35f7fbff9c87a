"""Small recordings, manifests and texts on disk."""

import json
import wave
from collections.abc import Mapping
from pathlib import Path

import numpy as np

RATE_HZ = 16_000


def write_wav(path: Path, duration_s: float = 1.0, rate_hz: int = RATE_HZ) -> Path:
    """Write a tone of 440 Hz, half of full scale."""
    times_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((16384 * np.sin(2 * np.pi * 440 * times_s)).astype("<i2").tobytes())
    return path


def write_manifest(folder: Path, *entries: Mapping[str, object]) -> Path:
    """Write the entries, and a recording of one second for each that has none yet."""
    for entry in entries:
        path = folder / str(entry.get("audio") or entry.get("file"))
        if not path.exists():
            write_wav(path)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(entries), "utf-8")
    return manifest


def timed(*words: tuple[str, float, float]) -> list[dict[str, object]]:
    return [{"text": text, "start_s": start_s, "end_s": end_s} for text, start_s, end_s in words]
