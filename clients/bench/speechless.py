"""Audio in which nobody speaks: what engines invent in it is measured in every benchmark alike. PURE."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from clients.bench.load import Passage
from clients.bench.reference import Reference

__all__ = ["speechless"]

_SECONDS = 60.0

_SEED = 17
"""Of the noise, so that it is the same in each benchmark."""

_NOISE_LEVEL = 0.003
"""RMS of the noise: -50 dBFS, a quiet room with a fan."""

_MUSIC_LEVEL = 0.1
_CHORDS_HZ = ((261.6, 329.6, 392.0), (220.0, 261.6, 329.6), (174.6, 220.0, 261.6), (196.0, 246.9, 293.7))
"""C, A minor, F and G: the four chords of most pop songs."""
_CHORD_S = 1.0

_FULL_SCALE = 32_767


def speechless(sample_rate_hz: int) -> Iterator[tuple[Passage, Reference]]:
    """Yield digital silence, room noise and music, a minute each.

    Args:
        sample_rate_hz: of the audio.
    """
    count = round(_SECONDS * sample_rate_hz)
    for name, samples in (
        ("silence", np.zeros(count)),
        ("noise", _noise(count)),
        ("music", _music(count, sample_rate_hz)),
    ):
        pcm = np.rint(np.clip(samples, -1.0, 1.0) * _FULL_SCALE).astype("<i2").tobytes()
        yield Passage(name, pcm), Reference(name, None, _SECONDS, ())


def _noise(count: int) -> NDArray[np.float64]:
    """Return noise that falls by 3 dB an octave, as that of rooms does."""
    spectrum = np.fft.rfft(np.random.default_rng(_SEED).standard_normal(count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0.0
    noise: NDArray[np.float64] = np.fft.irfft(spectrum, count)
    level = float(np.sqrt(np.mean(noise**2)))
    return noise * (_NOISE_LEVEL / level)


def _music(count: int, sample_rate_hz: int) -> NDArray[np.float64]:
    """Return plucked chords: each note has three harmonics and decays."""
    times_s = np.arange(count) / sample_rate_hz
    chord = (times_s // _CHORD_S).astype(np.int64) % len(_CHORDS_HZ)
    decay = np.exp(-3.0 * (times_s % _CHORD_S))
    music = np.zeros(count)
    for voice in range(len(_CHORDS_HZ[0])):
        note_hz = np.array([notes[voice] for notes in _CHORDS_HZ])[chord]
        for harmonic in (1, 2, 3):
            music += np.sin(2 * np.pi * harmonic * note_hz * times_s) / harmonic**2
    return music * decay * (_MUSIC_LEVEL / 2)
