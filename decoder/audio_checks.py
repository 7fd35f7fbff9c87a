"""PURE: whether audio can be decoded by an engine in this process."""

import numpy as np

from decoder.types import EngineFailed
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["LONGEST_S", "refused_audio"]

LONGEST_S = 30
"""What every engine takes (`decoder.engine.Engine`), for Whisper was trained on windows of it."""


def refused_audio(samples: Float32) -> EngineFailed | None:
    """Return why audio cannot be decoded, or None: float32[n] of at most 30 s, every sample a number, can."""
    if samples.ndim != 1:
        return EngineFailed(f"audio of {samples.ndim} dimensions: mono has one")
    if len(samples) > LONGEST_S * SAMPLE_RATE_HZ:
        return EngineFailed(
            f"audio of {len(samples) / SAMPLE_RATE_HZ:.1f} s: at most {LONGEST_S} s are decoded at once"
        )
    if not np.isfinite(samples).all():
        return EngineFailed("audio with samples that are no numbers: -1 to 1 are allowed")
    return None
