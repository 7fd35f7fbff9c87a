"""How often partials are asked for: the set interval, stretched while the engine is behind. PURE."""

__all__ = ["PartialPacing"]

_STRETCH = 1.25
_SHRINK = 0.9
"""Slower to come back than to give way, as congestion control has it: streams that share an engine do not swing."""

_FAR_BEHIND = 2.0
"""Partials at half their rate are noticed; a final that is a little worse mostly is not."""

_ANNOUNCED_CHANGE = 1.2
"""A reader does not notice less."""


class PartialPacing:
    """The partial interval of one session.

    A partial that took longer than the interval, or that a newer one replaced in the queue, stretches it; one that took
    less than half of it shrinks it again. So the interval settles where one partial is done before the next is due.

    Args:
        interval_samples: as set; never less.
        max_stretch: most times the set interval, ≥ 1.
    """

    def __init__(self, interval_samples: int, max_stretch: float) -> None:
        self._least = interval_samples
        self._most = interval_samples * max_stretch
        self._interval = float(interval_samples)
        self._announced = interval_samples

    @property
    def interval_samples(self) -> int:
        """New speech between two partials, at 16 kHz."""
        return round(self._interval)

    @property
    def is_stretched(self) -> bool:
        """Whether the engine is behind."""
        return self._interval > self._least

    @property
    def is_far_behind(self) -> bool:
        """Whether the interval is stretched to twice as set or more."""
        return self._interval >= self._least * _FAR_BEHIND

    def took(self, samples: float) -> None:
        """Note that a partial was answered after that many samples at 16 kHz; infinite: a newer one replaced it."""
        if samples > self._interval:
            self._interval = min(self._interval * _STRETCH, self._most)
        elif samples < self._interval / 2:
            self._interval = max(self._interval * _SHRINK, self._least)

    def announcement(self) -> int | None:
        """Return the interval if it has changed noticeably since it was last returned, or is back as set."""
        interval = self.interval_samples
        ratio = interval / self._announced
        is_back = interval == self._least != self._announced
        if not is_back and 1 / _ANNOUNCED_CHANGE < ratio < _ANNOUNCED_CHANGE:
            return None
        self._announced = interval
        return interval
