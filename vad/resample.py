"""Streaming sample-rate conversion over soxr."""

import numpy as np
import soxr
from numpy.typing import NDArray

__all__ = ["Resampler"]

QUALITY = "HQ"
"""20 bits of precision. Delays audio by 21 ms on average (MQ 15, LQ 6, VHQ 38) at the same CPU time."""


class Resampler:
    """Resamples one mono stream; at equal rates the audio passes unchanged.

    soxr compensates its delay, so the time line does not shift, and works in fixed blocks, so the output is
    bit-identical however the input is split.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        is_identity = from_hz == to_hz
        self._stream = None if is_identity else soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=QUALITY)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the audio that these samples complete.

        Args:
            samples: float32[n], mono at the input rate, n ≥ 0.

        Returns:
            float32[m] at the output rate; m may be 0.
        """
        if self._stream is None or len(samples) == 0:
            return samples
        converted: NDArray[np.float32] = self._stream.resample_chunk(samples)
        return converted

    def finish(self) -> NDArray[np.float32]:
        """Return the remaining audio, float32[m]. In total, n samples have become n · to_hz / from_hz, within one."""
        if self._stream is None:
            return np.zeros(0, np.float32)
        rest: NDArray[np.float32] = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)
        return rest
