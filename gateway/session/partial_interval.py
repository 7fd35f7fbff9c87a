"""The interval between partials: as set, and longer while the engine is behind. PURE."""

__all__ = ["PartialInterval"]

_STRETCH = 1.25
_SHRINK = 0.9
"""Slower to shrink than to stretch, as in congestion control: streams that share an engine do not oscillate."""

_ANNOUNCED_RATIO = 1.2
"""Readers do not notice smaller changes."""


class PartialInterval:
    """The partial interval of one session.

    A partial that took longer than the interval, or that a newer one replaced in the queue, stretches it; one that took
    less than half of it shrinks it again. So the interval settles where one partial is done before the next is due.

    Args:
        set_samples: the interval as set, at 16 kHz; the actual one is never shorter.
        max_stretch: the longest interval, in multiples of the set one, ≥ 1.
    """

    def __init__(self, set_samples: int, max_stretch: float) -> None:
        self._set_samples = set_samples
        self._max_samples = set_samples * max_stretch
        self._samples = float(set_samples)
        self._announced_samples = set_samples

    @property
    def samples(self) -> int:
        """New speech between two partials, at 16 kHz."""
        return round(self._samples)

    @property
    def stretch(self) -> float:
        """The interval in multiples of the set one, ≥ 1."""
        return self._samples / self._set_samples

    @property
    def is_stretched(self) -> bool:
        """Whether it is longer than set, since the engine is behind."""
        return self._samples > self._set_samples

    def reset(self) -> None:
        """Return to the interval as set, since the engine is no longer behind."""
        self._samples = float(self._set_samples)

    def record(self, latency_samples: float) -> None:
        """Record how long a partial took, in samples at 16 kHz; infinite: a newer one replaced it."""
        if latency_samples > self._samples:
            self._samples = min(self._samples * _STRETCH, self._max_samples)
        elif latency_samples < self._samples / 2:
            self._samples = max(self._samples * _SHRINK, self._set_samples)

    def announcement(self) -> int | None:
        """Return the interval in samples if it has changed noticeably since the last announcement, or is back as set.

        A returned interval counts as announced. None: nothing to announce.
        """
        samples = self.samples
        ratio = samples / self._announced_samples
        is_back = samples == self._set_samples != self._announced_samples
        if not is_back and 1 / _ANNOUNCED_RATIO < ratio < _ANNOUNCED_RATIO:
            return None
        self._announced_samples = samples
        return samples
