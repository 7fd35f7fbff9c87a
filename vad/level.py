"""Normalises the level of audio for a detector. PURE."""

from collections import deque

import numpy as np

from vad.audio import Float32

__all__ = ["LevelNormaliser"]

# Measured: Silero v6 performs alike from -20 to -55 dBFS. At -10 dBFS it misses a tenth of the speech, at -65 up to two
# thirds. It does not mistake noise for speech anywhere in that range (office, engine, hum, white noise, music).

TARGET_RMS = 10 ** (-22 / 20)
"""The loudest window of speech is about 5 dB above its level, so the speech is brought to -27 dBFS."""

MAX_GAIN = 10 ** (30 / 20)
"""-65 dBFS is quieter than intelligible speech from any 16-bit microphone."""

MIN_GAIN = 10 ** (-20 / 20)

MEMORY_WINDOWS = 128
"""4.1 s: a pause between two sentences does not change the level. Shorter than a reset interval (`vad.stream_origin`),
so that a resumed stream soon has the same level as before."""


class LevelNormaliser:
    """Scales each window by the gain for the loudest window of the last seconds, including itself.

    Loud audio is attenuated at once; quiet audio is amplified once the louder audio is some seconds old.
    """

    def __init__(self) -> None:
        self._windows = 0
        self._loudest: deque[tuple[int, float]] = deque()
        """(number, power) of the windows within the memory that are louder than all later ones."""

    def normalise(self, windows: Float32) -> Float32:
        """Return the next windows of the stream, scaled, as float32[k, n].

        Args:
            windows: float32[k, n] in [-1, 1], in order.
        """
        samples = windows.shape[1]
        # The dot products of rows, because they are the same however many windows come at a time.
        gains = [self._gain(float(window.dot(window)) / samples) for window in windows]
        return windows * np.array(gains, np.float32)[:, None]

    def _gain(self, power: float) -> float:
        self._windows += 1
        while self._loudest and self._loudest[-1][1] <= power:
            self._loudest.pop()
        self._loudest.append((self._windows, power))
        if self._loudest[0][0] <= self._windows - MEMORY_WINDOWS:
            self._loudest.popleft()
        rms = self._loudest[0][1] ** 0.5
        return min(max(TARGET_RMS / rms, MIN_GAIN), MAX_GAIN) if rms else MAX_GAIN
