"""The level of audio, every 10 ms. PURE."""

import numpy as np

from decoder.features import FRAME_SAMPLES
from vad.audio import Float32

__all__ = ["level_db"]

SMOOTHED_FRAMES = 3
"""30 ms, longer than the pitch period of a voice, so that the level does not drop between two periods."""

MIN_POWER = 1e-10
"""-100 dB: keeps the level of digital silence finite."""


def level_db(samples: Float32) -> Float32:
    """Return the level of each 10 ms frame, float32[n // 160], in dB relative to full scale (≤ 0); empty below 30 ms.

    Args:
        samples: float32[n] mono 16 kHz, in [-1, 1].
    """
    frames = len(samples) // FRAME_SAMPLES
    if frames < SMOOTHED_FRAMES:
        return np.zeros(0, np.float32)
    power = np.mean(samples[: frames * FRAME_SAMPLES].reshape(frames, FRAME_SAMPLES) ** 2, axis=1)
    smooth = np.convolve(power, np.full(SMOOTHED_FRAMES, 1 / SMOOTHED_FRAMES, np.float32), "same")
    levels_db: Float32 = 10 * np.log10(np.maximum(smooth, np.float32(MIN_POWER)))
    return levels_db
