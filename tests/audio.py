"""Generated audio, float32 mono 16 kHz, the same at every call."""

import numpy as np

from vad.audio import SAMPLE_RATE_HZ, Float32, s_to_samples

__all__ = ["noise", "silence", "speechlike", "tone"]

SYLLABLES_PER_S = 4


def silence(duration_s: float) -> Float32:
    """Return digital silence."""
    return np.zeros(s_to_samples(duration_s), np.float32)


def tone(duration_s: float, frequency_hz: float = 440.0, amplitude: float = 0.5) -> Float32:
    """Return a sine wave."""
    return (amplitude * np.sin(2 * np.pi * frequency_hz * _time_s(duration_s))).astype(np.float32)


def noise(duration_s: float, amplitude: float = 0.1, seed: int = 0) -> Float32:
    """Return white noise, uniform in ±amplitude."""
    return np.random.default_rng(seed).uniform(-amplitude, amplitude, s_to_samples(duration_s)).astype(np.float32)


def speechlike(duration_s: float, amplitude: float = 0.5) -> Float32:
    """Return a buzz that glides in pitch and rises and falls in syllables, with two formants and a little breath."""
    time_s = _time_s(duration_s)
    pitch_hz = 120 + 15 * np.sin(2 * np.pi * 0.7 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    harmonics = np.arange(1, 30)
    formants = [np.exp(-(((harmonics * 120 - centre_hz) / 250) ** 2)) for centre_hz in (600, 1_700)]
    weights = formants[0] + 0.4 * formants[1] + 0.02
    voice = weights @ np.sin(np.outer(harmonics, phase))
    syllables = np.sin(np.pi * SYLLABLES_PER_S * time_s) ** 2
    audio = voice / np.sum(weights) * syllables + noise(duration_s, 0.005)
    return np.asarray(amplitude * audio, np.float32)


def _time_s(duration_s: float) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    return np.arange(s_to_samples(duration_s)) / SAMPLE_RATE_HZ
