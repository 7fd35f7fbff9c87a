"""Checks whether an engine in this process can decode a request's audio. PURE."""

import numpy as np

from decoder.types import EngineFailed
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["LONGEST_S", "refused_audio"]

LONGEST_S = 30
"""Every engine must accept audio of this length (`decoder.engine.Engine`): Whisper was trained on windows of 30 s."""


def refused_audio(samples: Float32) -> EngineFailed | None:
    """Return the error for audio that cannot be decoded; None for float32[n] of at most 30 s with finite samples."""
    if samples.ndim != 1:
        return EngineFailed(f"audio has {samples.ndim} dimensions: expected 1 (mono)")
    if len(samples) > LONGEST_S * SAMPLE_RATE_HZ:
        return EngineFailed(
            f"audio of {len(samples) / SAMPLE_RATE_HZ:.1f} s is too long: expected at most {LONGEST_S} s"
        )
    if not np.isfinite(samples).all():
        return EngineFailed("audio has NaN or infinite samples: expected -1 to 1")
    return None
