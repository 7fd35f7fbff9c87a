"""The default detector: WebRTC's detector finds possible speech, Silero decides whether it is speech.

It combines other detectors, hence it is the only one that imports any.
"""

from collections import deque

import numpy as np

from vad.audio import Float32
from vad.detector import check_windows
from vad.silero import SileroDetector
from vad.webrtc import WebrtcDetector

__all__ = ["HybridDetector"]

# Measured with `benchmarks/vad.py` on meetings, with digits and noises at several speeds as a check. The values lie
# on a plateau: a stride of 5 to 8, a sure probability of 0.5 to 0.8 and a hang of 2 or 3 windows do nearly as well.

GATE_MODE = 3
"""WebRTC's strictest mode passes half of a meeting and a third of office noise; mode 2 passes far more of both."""

HANG_WINDOWS = 2
"""The strict mode misses weak syllables, so the gate stays open for 64 ms. Without a hang, F1 drops by a twentieth."""

SURE_PROBABILITY = 0.7
"""An answer of this or more is reused for the next windows. Above the onset threshold, because noise needs every window
judged: a single high answer, if reused, would pass for an utterance."""

STRIDE_WINDOWS = 6
"""While Silero is sure, it judges every sixth window. 192 ms would delay a pause, but the gate usually closes first."""


REPLAYED_WINDOWS = 4
"""When the gate opens, Silero first receives the preceding eighth of a second, with its state reset if more was
skipped. A state carried over from before the pause makes it miss the speech that follows: two thirds of isolated words
were lost."""


class HybridDetector:
    """Returns Silero's answer where WebRTC's detector finds possible speech, and 0 elsewhere.

    | gate                              | last answer        | this window                                    |
    |-----------------------------------|--------------------|------------------------------------------------|
    | no voice for over HANG_WINDOWS    | any                | 0                                              |
    | opens                             | 0                  | Silero's answer, after REPLAYED_WINDOWS        |
    | open                              | < SURE_PROBABILITY | Silero's answer                                |
    | open                              | ≥ SURE_PROBABILITY | the last answer; Silero's each STRIDE_WINDOWS  |
    """

    window_samples = 512

    def __init__(self) -> None:
        """Start a stream.

        Raises:
            DetectorUnavailable: a library or the model file is not installed.
        """
        self._gate = WebrtcDetector(GATE_MODE)
        self._judge = SileroDetector()
        self._silent_windows = HANG_WINDOWS
        self._answer = 0.0
        self._answer_windows = 0
        self._skipped: deque[Float32] = deque()
        """The last windows skipped by Silero, each float32[1, 512]; at most REPLAYED_WINDOWS."""
        self._is_state_stale = False
        """Whether more windows than those were skipped."""

    def probabilities(self, windows: Float32) -> Float32:
        """Return the speech probability of the next windows, float32[k, 512], as float32[k]. See `SpeechDetector`."""
        check_windows(windows, self.window_samples)
        voiced = self._gate.probabilities(windows).tolist()
        answers = [self._judged(windows[at : at + 1], verdict > 0) for at, verdict in enumerate(voiced)]
        return np.array(answers, np.float32)

    def _judged(self, window: Float32, is_voiced: bool) -> float:
        self._silent_windows = 0 if is_voiced else self._silent_windows + 1
        if self._silent_windows > HANG_WINDOWS:
            self._skip(window)
            self._answer = 0.0
        elif self._answer >= SURE_PROBABILITY and self._answer_windows < STRIDE_WINDOWS:
            self._judge.skip(window)
            self._answer_windows += 1
        else:
            self._answer = float(self._judge.probabilities(self._with_replay(window))[-1])
            self._answer_windows = 1
        return self._answer

    def _skip(self, window: Float32) -> None:
        self._skipped.append(window)
        if len(self._skipped) > REPLAYED_WINDOWS:
            self._judge.skip(self._skipped.popleft())
            self._is_state_stale = True

    def _with_replay(self, window: Float32) -> Float32:
        """Return the window preceded by the skipped windows that Silero must process first."""
        if self._is_state_stale:
            self._judge.reset()
            self._is_state_stale = False
        if not self._skipped:
            return window
        windows = np.concatenate([*self._skipped, window])
        self._skipped.clear()
        return windows
