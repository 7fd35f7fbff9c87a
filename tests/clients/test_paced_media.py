"""Files of all kinds, and files that are none."""

from pathlib import Path

import numpy as np
import pytest

from clients.paced_media import MediaError, MediaFile
from tests.media import CODECS, encoded, video
from tests.recordings import recording_path

FRAME_BYTES = 3_200


@pytest.mark.parametrize("kind", CODECS)
def test_any_usual_container_becomes_16_khz_frames(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"tone.{kind}"
    path.write_bytes(encoded(kind))
    with MediaFile(str(path)) as media:
        frames = list(media.frames())
    samples = np.frombuffer(b"".join(frames), "<i2")
    assert all(len(frame) == FRAME_BYTES for frame in frames[:-1])
    assert len(samples) == pytest.approx(16_000, abs=1_600)  # coders pad
    spectrum = np.abs(np.fft.rfft(samples[4_000:12_000]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=4)


def test_the_duration_is_known_if_the_container_has_it(tmp_path: Path) -> None:
    (tmp_path / "tone.wav").write_bytes(encoded("wav"))
    with MediaFile(str(tmp_path / "tone.wav")) as media:
        assert media.duration_s == pytest.approx(1.0, abs=0.01)


def test_a_file_cut_short_gives_the_audio_that_is_left(tmp_path: Path) -> None:
    whole = encoded("flac", 4.0)
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    with MediaFile(str(tmp_path / "cut.flac")) as media:
        cut = b"".join(media.frames())
    assert 0 < len(cut) < 4 * 32_000


def test_a_video_without_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "silent.mp4").write_bytes(video(audio_s=None))
    with pytest.raises(MediaError, match="no audio track"):
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
