"""Whisper's log-mel spectrogram, computed on the device of the model."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from decoder.features import FRAME_SAMPLES, RANGE, SILENCE, TRANSFORM_SAMPLES
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["LogMel", "mel_filters"]

BINS = TRANSFORM_SAMPLES // 2 + 1

MEL_LINEAR_HZ = 200 / 3
"""Slaney's scale is linear up to 1 kHz, with this many Hz to a mel, and logarithmic above (Auditory Toolbox, 1998)."""

MEL_LOG_FROM_HZ = 1_000
MEL_LOG_STEP = np.log(6.4) / 27


class LogMel:
    """Computes the windows of a batch, equal to `decoder.features.IncrementalLogMel`'s.

    Args:
        mels: bands, 80 or 128.
        device: of the model.
    """

    def __init__(self, mels: int, device: torch.device) -> None:
        self._filters = torch.from_numpy(mel_filters(mels)).to(device)
        self._window = torch.hann_window(TRANSFORM_SAMPLES, device=device)

    def __call__(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spectrograms, float32[B, mels, frames], and the floor of each, float32[B].

        Args:
            samples: float32[B, frames · 160], mono 16 kHz, silence included.
        """
        # The audio is mirrored before its start, and silent after its end (openai/whisper, in a window of 30 s).
        half = TRANSFORM_SAMPLES // 2
        padded = functional.pad(functional.pad(samples[:, None], (half, 0), mode="reflect")[:, 0], (0, half))
        spectrum = torch.stft(
            padded, TRANSFORM_SAMPLES, FRAME_SAMPLES, window=self._window, center=False, return_complex=True
        )
        energies = spectrum[..., : samples.shape[1] // FRAME_SAMPLES].abs().square()
        log_mel = (self._filters @ energies).clamp(min=1e-10).log10()
        floor = (log_mel.amax((1, 2)) - float(RANGE)).clamp(min=float(SILENCE))
        return (torch.maximum(log_mel, floor[:, None, None]) + 4) / 4, (floor + 4) / 4


def mel_filters(mels: int) -> Float32:
    """Return the weight of each frequency in each mel band, float32[mels, 201]: as openai/whisper's, by Slaney."""
    edges_hz = _mel_to_hz(np.linspace(0, _hz_to_mel(SAMPLE_RATE_HZ / 2), mels + 2))
    slopes = edges_hz[:, None] - np.linspace(0, SAMPLE_RATE_HZ / 2, BINS)
    widths_hz = np.diff(edges_hz)
    rising, falling = -slopes[:-2] / widths_hz[:-1, None], slopes[2:] / widths_hz[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (edges_hz[2:] - edges_hz[:-2]))[:, None]).astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    if hz < MEL_LOG_FROM_HZ:
        return hz / MEL_LINEAR_HZ
    return float(MEL_LOG_FROM_HZ / MEL_LINEAR_HZ + np.log(hz / MEL_LOG_FROM_HZ) / MEL_LOG_STEP)


def _mel_to_hz(mel: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    log_from = MEL_LOG_FROM_HZ / MEL_LINEAR_HZ
    logarithmic = MEL_LOG_FROM_HZ * np.exp((mel - log_from) * MEL_LOG_STEP)
    return np.where(mel < log_from, mel * MEL_LINEAR_HZ, logarithmic)
