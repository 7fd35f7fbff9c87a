"""The default detector: WebRTC's says where there may be a voice, Silero says whether it is one.

The one detector made of others, hence the one that imports them.
"""

from collections import deque

import numpy as np

from vad.audio import Float32
from vad.detector import check_windows
from vad.silero import SileroDetector
from vad.webrtc import WebrtcDetector

__all__ = ["HybridDetector"]

# Measured with `benchmarks/vad.py` on meetings, with digits and noises at several speeds as a check. The values lie
# amid a plateau: stride 5 to 8, sure from 0.5 to 0.8 and a hang of 2 or 3 windows do nearly as well.

GATE_MODE = 3
"""WebRTC's strictest mode passes half of a meeting and a third of office noise; 2 passes much more of either."""

HANG_WINDOWS = 2
"""The strict mode skips weak syllables, so the gate stays open for 64 ms. With no hang a twentieth of F1 is lost."""

SURE_PROBABILITY = 0.7
"""From here an answer is taken to last. Above the onset, for in noise every window must be judged: a single high answer
that were held would pass for an utterance."""

STRIDE_WINDOWS = 6
"""While Silero is sure, it judges every sixth window. 192 ms would delay a pause, but mostly the gate closes first."""


REPLAYED_WINDOWS = 4
"""When the gate opens, Silero first hears the eighth of a second before, from a fresh state if more was left out. With
a state that rested through the pause it is deaf to what follows: of isolated words two thirds were lost."""


class HybridDetector:
    """Silero's answer where WebRTC's detector hears a possible voice, 0 elsewhere.

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
        """The last windows that Silero did not hear, each float32[1, 512]; at most REPLAYED_WINDOWS."""
        self._has_lost_track = False
        """More were skipped than those."""

    def probabilities(self, windows: Float32) -> Float32:
        """Judge the next windows, float32[k, 512], as float32[k] in 0..1. See `SpeechDetector`."""
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
            self._judge.pass_over(window)
            self._answer_windows += 1
        else:
            self._answer = float(self._judge.probabilities(self._caught_up(window))[-1])
            self._answer_windows = 1
        return self._answer

    def _skip(self, window: Float32) -> None:
        self._skipped.append(window)
        if len(self._skipped) > REPLAYED_WINDOWS:
            self._judge.pass_over(self._skipped.popleft())
            self._has_lost_track = True

    def _caught_up(self, window: Float32) -> Float32:
        """Return the window with those before it that Silero has to hear first."""
        if self._has_lost_track:
            self._judge.forget()
            self._has_lost_track = False
        if not self._skipped:
            return window
        windows = np.concatenate([*self._skipped, window])
        self._skipped.clear()
        return windows
