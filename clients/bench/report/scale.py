"""Scales of charts: from values to positions, and their ticks at round numbers. PURE."""

import math
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Doubling", "Linear", "Scale", "doublings", "round_range", "round_step", "ticks"]

_ROUND = (1.0, 2.0, 5.0, 10.0)

_EDGE = 1e-9
"""Share of a step by which a tick may miss the end of a range: 3 × 0.1 is more than 0.3."""


class Scale(Protocol):
    """Maps a value to a position."""

    def __call__(self, value: float) -> float:
        """Return the position of a value, in units of the drawing."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Equal distances for equal differences.

    Attributes:
        low, high: the values at both ends, low < high.
        start, end: their positions; a vertical axis has its start below, at the greater number.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Doubling:
    """Equal distances for equal ratios; as `Linear`, with 0 < low < high."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the position of a value, which is greater than 0."""
        return self.start + math.log(value / self.low) / math.log(self.high / self.low) * (self.end - self.start)


def round_step(span: float, count: int) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that divides a span into at most `count` parts.

    Args:
        span: greater than 0.
        count: at least 1.
    """
    least = span / count
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in _ROUND if factor * power >= least * (1 - _EDGE))


def round_range(low: float, high: float, count: int) -> tuple[float, float]:
    """Return the range from tick to tick that contains another, of some `count` steps; at least one step wide.

    Args:
        low, high: low <= high.
        count: of steps, at least 1.
    """
    span = high - low
    step = round_step(span if span > 0 else max(abs(high), 1.0), count)
    first = math.floor(low / step + _EDGE)
    last = max(math.ceil(high / step - _EDGE), first + 1)
    return _times(first, step), _times(last, step)


def ticks(low: float, high: float, count: int) -> tuple[float, ...]:
    """Return the multiples of a round step within a range, ascending.

    Args:
        low, high: low < high.
        count: of steps, at most.
    """
    step = round_step(high - low, count)
    first, last = math.ceil(low / step - _EDGE), math.floor(high / step + _EDGE)
    return tuple(_times(multiple, step) for multiple in range(first, last + 1))


def doublings(low: float, high: float) -> tuple[float, ...]:
    """Return the powers of two from the last that is at most `low` to the first that is at least `high`, two or more.

    Args:
        low, high: 0 < low <= high.
    """
    first = math.floor(math.log2(low))
    last = max(math.ceil(math.log2(high)), first + 1)
    return tuple(2.0**power for power in range(first, last + 1))


def _times(multiple: int, step: float) -> float:
    """Return a multiple of 1, 2 or 5 times a power of ten, without the error of the multiplication."""
    digits = max(0, -math.floor(math.log10(step)))
    return round(multiple * step, digits)
