"""WebRTC's speech detector: 2 µs a frame, hears nearly all speech, and much noise as well."""

import numpy as np

from vad.audio import SAMPLE_RATE_HZ, Float32
from vad.detector import check_windows
from vad.errors import DetectorUnavailable
from vad.stream_origin import ERA_SAMPLES

__all__ = ["WebrtcDetector"]

FRAME_SAMPLES = 320
"""20 ms; the library takes 10, 20 or 30. 10 ms costs 40 % more, 30 ms misses more weak speech."""

MODE = 2
"""Strictness, 0..3: the best F1 on far-field meetings. 3 misses a tenth of Silero's speech, 0 and 1 pass more noise."""

WINDOW_SAMPLES = 512
FRAME_BYTES = FRAME_SAMPLES * 2
WINDOW_BYTES = WINDOW_SAMPLES * 2
FULL_SCALE = 32_767


ERA_WINDOWS = ERA_SAMPLES // WINDOW_SAMPLES
"""A whole number of frames, too. With four seconds of memory the hybrid detector loses a thirtieth of its F1 on
meetings, with ten a hundredth, with one to two eras nothing."""


class WebrtcDetector:
    """Answers 1 for a window in which a frame of voice ended, else 0.

    The library's frames are no divisor of the window, so they run across the windows' borders. Its noise model never
    quite forgets, so a fresh one takes over every era, an era after its start: what is answered depends on the last two
    eras of sound alone, and a stream that is taken up again at the beginning of an era soon answers as before.
    """

    window_samples = WINDOW_SAMPLES

    def __init__(self, mode: int = MODE) -> None:
        """Start a stream.

        Args:
            mode: strictness, 0..3.

        Raises:
            DetectorUnavailable: the library is not installed.
        """
        self._mode = mode
        self._asked = self._next = _Model(mode)
        self._windows = 0

    def probabilities(self, windows: Float32) -> Float32:
        """Judge the next windows, float32[k, 512], as float32[k] of 0 and 1. See `SpeechDetector`."""
        check_windows(windows, self.window_samples)
        verdicts = np.zeros(len(windows), np.float32)
        at = 0
        while at < len(windows):
            if self._windows and self._windows % ERA_WINDOWS == 0:
                self._asked, self._next = self._next, _Model(self._mode)
            end = min(len(windows), at + ERA_WINDOWS - self._windows % ERA_WINDOWS)
            verdicts[at:end] = self._asked.judge(windows[at:end])
            if self._next is not self._asked:
                self._next.judge(windows[at:end])
            self._windows += end - at
            at = end
        return verdicts


class _Model:
    """One of the library's detectors, and the sound that does not fill a frame yet."""

    def __init__(self, mode: int) -> None:
        try:
            import webrtcvad
        except ImportError as error:
            raise DetectorUnavailable("detector webrtc: needs the package webrtcvad-wheels") from error
        self._is_speech = webrtcvad.Vad(mode).is_speech
        self._pending = b""

    def judge(self, windows: Float32) -> Float32:
        """Return float32[k] of 0 and 1 for the next windows, float32[k, 512]."""
        pcm = self._pending + (windows * FULL_SCALE).astype(np.int16).tobytes()
        verdicts = np.zeros(len(windows), np.float32)
        for end in range(FRAME_BYTES, len(pcm) + 1, FRAME_BYTES):
            if self._is_speech(pcm[end - FRAME_BYTES : end], SAMPLE_RATE_HZ, FRAME_SAMPLES):
                verdicts[(end - 1 - len(self._pending)) // WINDOW_BYTES] = 1
        self._pending = pcm[len(pcm) - len(pcm) % FRAME_BYTES :]
        return verdicts
