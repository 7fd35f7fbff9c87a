"""Which channels of a stereo stream are mixed to mono. PURE.

Both, unless they cancel each other, one is empty, or one carries speech while the other carries only noise, which
would mask a quiet speaker.

Without numpy, because the process that decodes uploads does not import it.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from operator import mul

__all__ = ["BLOCKS_PER_S", "ENERGY_STRIDE", "BlockGrid", "ChannelChoice", "PcmDownmix", "Span"]

BLOCKS_PER_S = 50
"""The choice is reviewed at each block and a change is faded in over one block: 20 ms is shorter than a syllable."""

ENERGY_STRIDE = 4
"""Energies are estimated from every fourth sample, at a quarter of the cost."""

KEPT_SHARE = 0.9
"""Share of an energy carried from one block to the next, which averages over a fifth of a second."""

CANCELLED_SHARE, RESTORED_SHARE = 0.2, 0.3
"""A mix with less of the louder channel's energy is considered cancelled. A channel next to an empty one leaves 0.25,
two uncorrelated channels 0.5, equal ones 1."""

EMPTY_SHARE = 1e-4
"""40 dB below the other channel a channel is inaudible in a mix, which would only halve the other one."""

LOUDER_RATIO = 4.0
"""6 dB: keeps the choice from alternating between channels of equal level."""

INAUDIBLE_ENERGY = 1e-9
"""-90 dBFS: energy below this carries no information about the channels."""

ACTIVE_RATIO = 10.0
"""A channel is active 10 dB above its noise floor. Room and microphone noise varies by less, speech rises by more."""

FLOOR_RISE = 1.01
"""Growth of a floor per block, 2.2 dB a second: between two gaps in speech it stays far below the speech."""

MIN_FLOOR = 1e-8
"""-80 dBFS: anything quieter is converter noise, not room noise."""

ACTIVE_BLOCKS = BLOCKS_PER_S // 2
"""How long a channel stays active afterwards: a gap between words does not change the mix."""

FULL_SCALE = 32_768

BOTH, LEFT, RIGHT = (0.5, 0.5), (1.0, 0.0), (0.0, 1.0)


class ChannelChoice:
    """Chooses the mix of the next block from the energies of the blocks so far."""

    def __init__(self) -> None:
        self._usable = BOTH
        """The mix allowed by cancellation and empty channels; a single channel where they rule out both."""
        self._left = self._right = self._mix = 0.0
        self._left_activity, self._right_activity = Activity(), Activity()

    @property
    def weights(self) -> tuple[float, float]:
        """Weights of the left and the right channel."""
        left, right = self._left_activity.is_active, self._right_activity.is_active
        if left == right:
            return self._usable
        return LEFT if left else RIGHT

    def add(self, left: float, right: float, product: float) -> None:
        """Add the energies of the next block.

        Args:
            left, right: mean square of each channel; full scale is 1.
            product: mean of their product.
        """
        self._left_activity.add(left)
        self._right_activity.add(right)
        mix = (left + right + 2 * product) / 4
        self._left, self._right = self._left * KEPT_SHARE + left, self._right * KEPT_SHARE + right
        self._mix = self._mix * KEPT_SHARE + mix
        louder, quieter = max(self._left, self._right), min(self._left, self._right)
        if louder * (1 - KEPT_SHARE) < INAUDIBLE_ENERGY:
            return
        threshold = CANCELLED_SHARE if self._usable == BOTH else RESTORED_SHARE
        if quieter > EMPTY_SHARE * louder and self._mix >= threshold * louder:
            self._usable = BOTH
        elif self._usable == BOTH or louder > LOUDER_RATIO * (self._left if self._usable == LEFT else self._right):
            self._usable = LEFT if self._left >= self._right else RIGHT


class Activity:
    """Whether a channel has recently been well above its own noise floor."""

    def __init__(self) -> None:
        self._floor = inf
        self._blocks_left = 0

    @property
    def is_active(self) -> bool:
        """Whether the channel was active in one of the last `ACTIVE_BLOCKS` blocks."""
        return self._blocks_left > 0

    def add(self, energy: float) -> None:
        """Add the mean square of the next block; full scale is 1."""
        self._floor = max(MIN_FLOOR, min(energy, self._floor * FLOOR_RISE))
        self._blocks_left = ACTIVE_BLOCKS if energy > ACTIVE_RATIO * self._floor else max(0, self._blocks_left - 1)


@dataclass(frozen=True, slots=True)
class Span:
    """Sample frames whose mixing weights change linearly.

    Attributes:
        start, end: half-open, within the frames that were pushed.
        first: position of `start` within the block.
        block_samples: length of the block, over which one mix fades into the other.
        before, after: weights of the left and the right channel at the start and the end of the block.
    """

    start: int
    end: int
    first: int
    block_samples: int
    before: tuple[float, float]
    after: tuple[float, float]

    @property
    def ends_block(self) -> bool:
        """Whether the span completes its block."""
        return self.first + self.end - self.start == self.block_samples


class BlockGrid:
    """Divides a stream into blocks, independent of how it is split, with the mix of each.

    Args:
        sample_rate_hz: of the stream.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._block_samples = sample_rate_hz // BLOCKS_PER_S
        self._choice = ChannelChoice()
        self._before = self._choice.weights
        self._filled = 0
        """Sample frames in the incomplete block."""

    def spans(self, sample_frames: int) -> Iterator[Span]:
        """Yield the spans of that many new sample frames; call `complete` after each span that ends a block."""
        start = 0
        while start < sample_frames:
            end = min(sample_frames, start + self._block_samples - self._filled)
            span = Span(start, end, self._filled, self._block_samples, self._before, self._choice.weights)
            self._filled = (self._filled + end - start) % self._block_samples
            yield span
            start = end

    def complete(self, left: float, right: float, product: float) -> None:
        """Add the energies of the block that has just been completed; see `ChannelChoice.add`."""
        self._before = self._choice.weights
        self._choice.add(left, right, product)


class PcmDownmix:
    """Mixes interleaved signed 16-bit stereo to mono. The output does not depend on how the input is split.

    Args:
        sample_rate_hz: of the stream.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._grid = BlockGrid(sample_rate_hz)
        self._block = array("h")
        """Sample frames of the incomplete block."""

    def push(self, data: bytes) -> bytes:
        """Return whole sample frames mixed to mono, as signed 16-bit samples."""
        frames, mixed = array("h", data), array("h")
        for span in self._grid.spans(len(frames) // 2):
            piece = frames[2 * span.start : 2 * span.end]
            mixed += _mixed(piece[0::2], piece[1::2], span)
            self._block += piece
            if span.ends_block:
                left, right = self._block[0 :: 2 * ENERGY_STRIDE], self._block[1 :: 2 * ENERGY_STRIDE]
                pairs = ((left, left), (right, right), (left, right))
                self._grid.complete(*(sum(map(mul, *pair)) / (len(left) * FULL_SCALE**2) for pair in pairs))
                self._block = array("h")
        return mixed.tobytes()


def _mixed(left: "array[int]", right: "array[int]", span: Span) -> "array[int]":
    if span.before != span.after:
        (left_before, right_before), (left_after, right_after) = span.before, span.after
        left_step, right_step = left_after - left_before, right_after - right_before
        steps = [(span.first + index + 1) / span.block_samples for index in range(len(left))]
        return array(
            "h",
            [
                round(one * (left_before + left_step * step) + other * (right_before + right_step * step))
                for one, other, step in zip(left, right, steps, strict=True)
            ],
        )
    if span.after == BOTH:
        return array("h", [(one + other) >> 1 for one, other in zip(left, right, strict=True)])
    return left if span.after == LEFT else right
