"""Converts FFmpeg's audio frames to the format that media are decoded to.

A process is started for each stream and upload that is decoded, so this imports nothing that is slow to import.
"""

from collections.abc import Iterator

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from vad.downmix import PcmDownmix

__all__ = ["MEDIA_BYTES_PER_SAMPLE", "MEDIA_RATE_HZ", "PcmConverter"]

MEDIA_RATE_HZ = 16_000
"""The rate that media are decoded to: equal to `vad.audio.SAMPLE_RATE_HZ`, whose module imports numpy."""

MEDIA_BYTES_PER_SAMPLE = 2


class PcmConverter:
    """Converts frames of one format to s16le mono at `MEDIA_RATE_HZ`.

    Args:
        is_mono: whether the frames have one channel.
    """

    def __init__(self, *, is_mono: bool) -> None:
        layout = "mono" if is_mono else "stereo"
        self._resampler = AudioResampler(format="s16", layout=layout, rate=MEDIA_RATE_HZ)
        self._downmix = None if is_mono else PcmDownmix(MEDIA_RATE_HZ)

    def convert(self, frame: AudioFrame | None) -> Iterator[bytes]:
        """Yield the audio that the next frame completes; with None, the remaining audio.

        Raises:
            FFmpegError, ValueError: the frame cannot be resampled.
        """
        channels = 1 if self._downmix is None else 2
        for resampled in self._resampler.resample(frame):
            # Not `to_ndarray`, which imports numpy; the plane is padded past its samples.
            data = bytes(resampled.planes[0])[: resampled.samples * channels * MEDIA_BYTES_PER_SAMPLE]
            yield data if self._downmix is None else self._downmix.push(data)
