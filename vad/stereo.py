"""Mixes the stereo of a live stream to mono, with the weights chosen by `vad.downmix`. PURE."""

import numpy as np
from numpy.typing import NDArray

from vad.downmix import ENERGY_STRIDE, BlockGrid, Span

__all__ = ["StereoDownmix"]

_Float32 = NDArray[np.float32]


class StereoDownmix:
    """Mixes two channels to mono. The output is bit-identical however the input is split.

    Args:
        sample_rate_hz: of the stream.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._grid = BlockGrid(sample_rate_hz)
        self._block: list[tuple[_Float32, _Float32]] = []
        """Samples of the incomplete block."""

    def push(self, left: _Float32, right: _Float32) -> _Float32:
        """Return the two channels mixed.

        Args:
            left, right: float32[n], in [-1, 1].

        Returns:
            float32[n], in [-1, 1].
        """
        mixed = np.empty(len(left), np.float32)
        for span in self._grid.spans(len(left)):
            piece = left[span.start : span.end], right[span.start : span.end]
            mixed[span.start : span.end] = _mixed(*piece, span)
            self._block.append(piece)
            if span.ends_block:
                self._complete()
        return mixed

    def _complete(self) -> None:
        one, other = (np.concatenate(pieces)[::ENERGY_STRIDE] for pieces in zip(*self._block, strict=True))
        self._block.clear()
        count = len(one)
        self._grid.complete(*(float(np.dot(*pair)) / count for pair in ((one, one), (other, other), (one, other))))


def _mixed(left: _Float32, right: _Float32, span: Span) -> _Float32:
    if span.before == span.after:
        left_weight, right_weight = map(np.float32, span.after)
        return left * left_weight + right * right_weight
    position = np.arange(span.first + 1, span.first + 1 + len(left), dtype=np.float32)
    step = position / np.float32(span.block_samples)
    one, other = (
        np.float32(before) + np.float32(after - before) * step
        for before, after in zip(span.before, span.after, strict=True)
    )
    return left * one + right * other
