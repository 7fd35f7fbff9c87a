"""Audio of recordings of any format, as drivers send it."""

from pathlib import Path

import numpy as np

from vad.media_file import MEDIA_BYTES_PER_SAMPLE, MEDIA_RATE_HZ, Media
from vad.resample import Resampler

__all__ = ["duration_s", "read_pcm", "resampled"]

_BLOCK_S = 10.0
_INT16 = np.iinfo(np.int16)


def read_pcm(path: Path) -> bytes:
    """Return a recording as s16le mono at `MEDIA_RATE_HZ`.

    Raises:
        MediaError: it contains no audio that can be decoded.
        OSError: it cannot be read.
    """
    with path.open("rb") as file, Media(file, str(path)) as media:
        return b"".join(media.blocks(_BLOCK_S))


def resampled(pcm: bytes, sample_rate_hz: int) -> bytes:
    """Return audio as s16le mono at another rate.

    Args:
        pcm: s16le mono at `MEDIA_RATE_HZ`.
        sample_rate_hz: of the returned audio.
    """
    if sample_rate_hz == MEDIA_RATE_HZ:
        return pcm
    resampler = Resampler(MEDIA_RATE_HZ, sample_rate_hz)
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    converted = np.concatenate([resampler.push(samples), resampler.finish()])
    # Resampling may exceed the range where the audio is at its limits.
    return bytes(np.clip(np.rint(converted), _INT16.min, _INT16.max).astype("<i2").tobytes())


def duration_s(pcm: bytes) -> float:
    """Return the length of audio at `MEDIA_RATE_HZ`."""
    return len(pcm) / MEDIA_BYTES_PER_SAMPLE / MEDIA_RATE_HZ
