"""Files of all kinds, and files that are none."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from clients.media import MediaError, MediaFile
from tests.recordings import recording_path
from tests.sounds import tone

FRAME_BYTES = 3_200

CONTAINERS = {
    "wav": "pcm_s16le",
    "flac": "flac",
    "ogg": "libopus",
    "webm": "libopus",
    "mp4": "aac",
    "m4a": "aac",
    "mp3": "libmp3lame",
    "aiff": "pcm_s16be",
}


def write_tone(path: Path, codec: str, rate_hz: int = 48_000, seconds: float = 1.0) -> None:
    samples = np.repeat(tone(seconds), rate_hz // 16_000)
    with av.open(str(path), "w", format={"m4a": "mp4"}.get(path.suffix[1:])) as container:
        stream = container.add_stream(codec, rate=rate_hz)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        for start in range(0, len(samples), 1024):
            block = samples[start : start + 1024].reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(("suffix", "codec"), CONTAINERS.items())
def test_any_usual_container_becomes_16_khz_frames(tmp_path: Path, suffix: str, codec: str) -> None:
    path = tmp_path / f"tone.{suffix}"
    write_tone(path, codec)
    with MediaFile(str(path)) as media:
        frames = list(media.frames())
    samples = np.frombuffer(b"".join(frames), "<i2")
    assert all(len(frame) == FRAME_BYTES for frame in frames[:-1])
    assert len(samples) == pytest.approx(16_000, abs=1_600)  # coders pad
    spectrum = np.abs(np.fft.rfft(samples[4_000:12_000]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=4)


def test_the_duration_is_known_where_the_container_says_it(tmp_path: Path) -> None:
    write_tone(tmp_path / "tone.wav", "pcm_s16le")
    with MediaFile(str(tmp_path / "tone.wav")) as media:
        assert media.duration_s == pytest.approx(1.0, abs=0.01)


def test_a_file_cut_short_gives_the_sound_that_is_left(tmp_path: Path) -> None:
    write_tone(tmp_path / "whole.flac", "flac", seconds=4)
    whole = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    with MediaFile(str(tmp_path / "cut.flac")) as media:
        cut = b"".join(media.frames())
    assert 0 < len(cut) < 4 * 32_000


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "silent.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="no sound track"):
        MediaFile(str(tmp_path / "silent.mp4"))


@pytest.mark.parametrize("name", ["missing_header.wav", "empty_file.wav"])
def test_broken_recordings_are_refused(name: str) -> None:
    with pytest.raises(MediaError, match=name):
        MediaFile(str(recording_path(f"formats/{name}")))


def test_a_header_that_claims_hours_does_not_hang() -> None:
    with MediaFile(str(recording_path("formats/malformed.flac"))) as media:
        try:
            length = len(b"".join(media.frames()))
        except MediaError:
            return
    assert length < 60 * 32_000
