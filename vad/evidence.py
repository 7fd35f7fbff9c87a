"""The evidence of speech in an utterance, independent of how the utterance is delimited. PURE."""

from collections import deque

__all__ = ["SpeechEvidence"]

RUN_WINDOWS = 3
"""Clicks and knocks are shorter, as is anything that begins no utterance (`SegmenterSettings.onset_ms`)."""


class SpeechEvidence:
    """Tracks the highest speech probability sustained for `RUN_WINDOWS`, over the windows since a given sample."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RUN_WINDOWS)
        self._peaks: deque[tuple[int, float]] = deque()
        """(end sample of a window, lowest probability of the run that ends with it), in decreasing probability: an
        entry followed by a higher one can never be the maximum again."""

    def push(self, end_sample: int, probability: float) -> None:
        """Add the next window.

        Args:
            end_sample: one past its last sample.
            probability: that it is speech, 0..1.
        """
        self._recent.append(probability)
        sustained = min(self._recent)
        while self._peaks and self._peaks[-1][1] <= sustained:
            self._peaks.pop()
        self._peaks.append((end_sample, sustained))

    def forget(self, sample: int) -> None:
        """Discard the windows that end at or before a sample."""
        while self._peaks and self._peaks[0][0] <= sample:
            self._peaks.popleft()

    def peak(self) -> float | None:
        """Return the highest sustained probability, 0..1; None if there are no windows."""
        return self._peaks[0][1] if self._peaks else None
