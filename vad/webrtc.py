"""WebRTC's speech detector: 2 µs per frame, finds nearly all speech, but also much noise."""

import numpy as np

from vad.audio import SAMPLE_RATE_HZ, Float32
from vad.detector import check_windows
from vad.errors import DetectorUnavailable
from vad.stream_origin import RESET_INTERVAL_SAMPLES

__all__ = ["WebrtcDetector"]

FRAME_SAMPLES = 320
"""20 ms; the library accepts 10, 20 or 30. 10 ms costs 40 % more, 30 ms misses more weak speech."""

MODE = 2
"""Aggressiveness, 0..3: the best F1 on far-field meetings. 3 misses a tenth of Silero's speech; 0 and 1 pass noise."""

WINDOW_SAMPLES = 512
FRAME_BYTES = FRAME_SAMPLES * 2
WINDOW_BYTES = WINDOW_SAMPLES * 2
FULL_SCALE = 32_767

RESET_INTERVAL_WINDOWS = RESET_INTERVAL_SAMPLES // WINDOW_SAMPLES
"""Also a whole number of frames. With four seconds of memory the hybrid detector loses a thirtieth of its F1 on
meetings, with ten seconds a hundredth, with one to two intervals nothing."""


class WebrtcDetector:
    """Returns 1 for a window in which a frame of speech ended, else 0.

    The library's frames do not divide the window, so they cross window borders. Its noise model has unbounded memory,
    so a new model takes over every reset interval, after one interval of warm-up: the answers depend on the audio of
    the last two intervals alone, and a stream that resumes at the start of an interval soon gives the same answers.
    """

    window_samples = WINDOW_SAMPLES

    def __init__(self, mode: int = MODE) -> None:
        """Start a stream.

        Args:
            mode: aggressiveness, 0..3.

        Raises:
            DetectorUnavailable: the library is not installed.
        """
        self._mode = mode
        self._current = self._next = _Model(mode)
        self._windows = 0

    def probabilities(self, windows: Float32) -> Float32:
        """Classify the next windows, float32[k, 512], as float32[k] of 0 and 1. See `SpeechDetector`."""
        check_windows(windows, self.window_samples)
        verdicts = np.zeros(len(windows), np.float32)
        at = 0
        while at < len(windows):
            if self._windows and self._windows % RESET_INTERVAL_WINDOWS == 0:
                self._current, self._next = self._next, _Model(self._mode)
            end = min(len(windows), at + RESET_INTERVAL_WINDOWS - self._windows % RESET_INTERVAL_WINDOWS)
            verdicts[at:end] = self._current.classify(windows[at:end])
            if self._next is not self._current:
                self._next.classify(windows[at:end])
            self._windows += end - at
            at = end
        return verdicts


class _Model:
    """One detector of the library, with the audio of the incomplete frame."""

    def __init__(self, mode: int) -> None:
        try:
            import webrtcvad
        except ImportError as error:
            raise DetectorUnavailable("detector webrtc: package webrtcvad-wheels is not installed") from error
        self._is_speech = webrtcvad.Vad(mode).is_speech
        self._pending = b""

    def classify(self, windows: Float32) -> Float32:
        """Return float32[k] of 0 and 1 for the next windows, float32[k, 512]."""
        pcm = self._pending + (windows * FULL_SCALE).astype(np.int16).tobytes()
        verdicts = np.zeros(len(windows), np.float32)
        for end in range(FRAME_BYTES, len(pcm) + 1, FRAME_BYTES):
            if self._is_speech(pcm[end - FRAME_BYTES : end], SAMPLE_RATE_HZ, FRAME_SAMPLES):
                verdicts[(end - 1 - len(self._pending)) // WINDOW_BYTES] = 1
        self._pending = pcm[len(pcm) - len(pcm) % FRAME_BYTES :]
        return verdicts
