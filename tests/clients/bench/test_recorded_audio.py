"""Audio of recordings, as drivers send it."""

from pathlib import Path

import numpy as np
import pytest

from clients.bench.recorded_audio import duration_s, read_pcm, resampled
from tests.clients.bench.recordings import write_wav
from vad.media_file import MediaError


def test_a_recording_of_any_rate_is_read_at_16_khz(tmp_path: Path) -> None:
    pcm = read_pcm(write_wav(tmp_path / "a.wav", 1.5, rate_hz=8000))

    assert duration_s(pcm) == pytest.approx(1.5, abs=0.002)


@pytest.mark.parametrize("rate_hz", [8000, 24_000, 48_000])
def test_audio_keeps_its_length_and_level_at_another_rate(tmp_path: Path, rate_hz: int) -> None:
    samples = np.frombuffer(resampled(read_pcm(write_wav(tmp_path / "a.wav")), rate_hz), dtype="<i2")

    assert len(samples) == pytest.approx(rate_hz, abs=1)
    assert np.sqrt(np.mean(samples.astype(float) ** 2)) == pytest.approx(16384 / np.sqrt(2), rel=0.01)


def test_audio_at_its_limits_does_not_wrap_around() -> None:
    square = np.where(np.arange(1600) % 40 < 20, 32767, -32768).astype("<i2")
    samples = np.frombuffer(resampled(square.tobytes(), 48_000), dtype="<i2")

    assert np.abs(np.diff(samples.astype(int))).max() < 60_000


def test_audio_passes_unchanged_at_its_own_rate() -> None:
    assert resampled(b"\1\2\3\4", 16_000) == b"\1\2\3\4"


def test_a_file_without_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no audio")

    with pytest.raises(MediaError):
        read_pcm(tmp_path / "a.wav")
