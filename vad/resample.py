"""Streaming sample-rate conversion over soxr."""

import numpy as np
import soxr
from numpy.typing import NDArray

__all__ = ["Resampler"]

QUALITY = "HQ"
"""20 bits of precision. Holds back 21 ms of sound on average (MQ 15, LQ 6, VHQ 38) at the same processor time."""


class Resampler:
    """Converts one mono stream; at equal rates the sound passes untouched.

    soxr aligns its output, so the time line does not shift, and works in blocks of its own, so the output is the same
    to the bit however the input is cut.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        equal = from_hz == to_hz
        self._stream = None if equal else soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=QUALITY)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what these samples complete.

        Args:
            samples: float32[n], mono at the first rate, n ≥ 0.

        Returns:
            float32[m] at the second rate; m may be 0.
        """
        if self._stream is None or len(samples) == 0:
            return samples
        converted: NDArray[np.float32] = self._stream.resample_chunk(samples)
        return converted

    def finish(self) -> NDArray[np.float32]:
        """Return the rest, float32[m]. In all, n samples have then become n · to_hz / from_hz, within one."""
        if self._stream is None:
            return np.zeros(0, np.float32)
        rest: NDArray[np.float32] = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
        return rest
