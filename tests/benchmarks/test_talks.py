"""Talks made of recordings."""

import wave
from pathlib import Path

import av
import numpy as np

from benchmarks.talks import read_talk, talk_from


def recorded(path: Path, seconds: float) -> None:
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=16_000)
        samples = np.full((1, round(16_000 * seconds)), 1_000, np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])


def test_recordings_follow_each_other_after_a_pause(tmp_path: Path) -> None:
    recorded(tmp_path / "b.flac", 0.2)
    recorded(tmp_path / "a.flac", 0.3)
    with wave.open(str(tmp_path / "not.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
    spoken = [any(frame) for frame in read_talk(tmp_path)]
    assert spoken == [True] * 3 + [False] * 10 + [True] * 2 + [False] * 10


def test_every_frame_is_as_long_as_the_next_is_later(tmp_path: Path) -> None:
    recorded(tmp_path / "a.flac", 0.25)
    assert {len(frame) for frame in read_talk(tmp_path)} == {3_200}


def test_a_talk_begins_again_at_its_end() -> None:
    assert talk_from([b"a", b"b", b"c"], 2, 0.4) == [b"c", b"a", b"b", b"c"]
