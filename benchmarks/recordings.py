"""Recordings and their labels, read from files."""

import json
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from vad.audio import SAMPLE_RATE_HZ, Float32, s_to_samples

__all__ = ["SHARED_AUDIO", "SpokenWord", "Turn", "read_recording", "read_rttm", "read_spoken_words"]

SHARED_AUDIO = Path(__file__).parents[2] / "shared" / "audio"
"""Folder of the recordings, which are optional and not part of the project."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A span of speech, `[start_sample, end_sample)`."""

    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word with its times, in seconds of the recording."""

    text: str
    start_s: float
    end_s: float


def read_recording(path: Path) -> Float32:
    """Return a file of any format and rate as float32 mono at 16 kHz."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
        frames = [*container.decode(audio=0), None]
        return np.concatenate([part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)])


def read_rttm(path: Path) -> dict[str, list[Turn]]:
    """Return the speech turns of each recording of an RTTM file, by the recording's name without its suffix."""
    turns: dict[str, list[Turn]] = {}
    for line in path.read_text("utf-8").splitlines():
        _, recording, _, start_s, duration_s, *_ = line.split()
        start_sample = s_to_samples(float(start_s))
        turn = Turn(start_sample, start_sample + s_to_samples(float(duration_s)))
        turns.setdefault(recording, []).append(turn)
    return turns


def read_spoken_words(manifest: Path) -> dict[str, list[SpokenWord]]:
    """Return the words of each recording whose manifest has their times, by the recording's file."""
    entries = json.loads(manifest.read_text("utf-8"))
    words = {
        entry["file"]: [
            SpokenWord(text, start_s, end_s)
            for segment in entry.get("segments", ())
            for text, start_s, end_s in segment.get("words", ())
        ]
        for entry in entries
    }
    return {file: spoken for file, spoken in words.items() if spoken}
