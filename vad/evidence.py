"""How likely it is that anybody speaks in an utterance, whatever decided where it begins and ends. PURE."""

from collections import deque

__all__ = ["SpeechEvidence"]

RUN_WINDOWS = 3
"""Clicks and knocks are shorter; so is what begins no utterance (`SegmenterSettings.onset_ms`)."""


class SpeechEvidence:
    """The highest probability of speech that lasted, of the windows since a sample."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RUN_WINDOWS)
        self._lasting: deque[tuple[int, float]] = deque()
        """(end sample of a window, least probability of the run that ends with it); the probabilities only fall, for
        what is followed by a higher one never counts again."""

    def push(self, end_sample: int, probability: float) -> None:
        """Add the next window.

        Args:
            end_sample: one past its last sample.
            probability: that it is speech, 0..1.
        """
        self._recent.append(probability)
        lasted = min(self._recent)
        while self._lasting and self._lasting[-1][1] <= lasted:
            self._lasting.pop()
        self._lasting.append((end_sample, lasted))

    def forget(self, sample: int) -> None:
        """Drop the windows that end by this sample."""
        while self._lasting and self._lasting[0][0] <= sample:
            self._lasting.popleft()

    def peak(self) -> float | None:
        """Return the highest probability of all that is kept, 0..1; None where there is no window."""
        return self._lasting[0][1] if self._lasting else None
