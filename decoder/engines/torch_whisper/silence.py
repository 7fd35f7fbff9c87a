"""Silence, encoded once and grafted behind every trimmed window."""

import math

import torch
from torch import Tensor

from decoder.engines.torch_whisper.model import SilentTail, Weights, encode

__all__ = ["LOG_MASS", "Silence"]

STRIDE = 16
"""Every 16th silent position stands for 16, by the weight that it gets. The words are those of all positions (tiny.en,
78 utterances: 0.0 points more wrong; base, 50: +0.5, within the noise); without the weight 3 of 78 texts loop."""

LOG_MASS = math.log(STRIDE)

LOWEST_LEVEL = -1.5
"""The floor of the normalised log-mel of digital silence: log10 of 1e-10, + 4, / 4."""

LEVEL_STEP = 0.25
"""Silence of a wrong level costs words (0.6 points of them with one level for all); a finer step gains none."""

LEVELS = 8
"""Up to +0.25, which no audio in [-1, 1] reaches."""


class Silence:
    """The encoder's keys, values and outputs for 30 s of silence, of several levels.

    A window that is padded to 30 s attends mostly to silence, and finds the end of the text by it. Here it is not
    computed for each window: the keys and values of every layer, and the outputs, are those of silence alone. Only the
    outputs, behind a trimmed window, do not suffice: the audio's own positions must attend to silence too (tiny.en, 112
    utterances, 64 positions of margin: 30 texts loop without, none with).

    Args:
        weights: of the model.
    """

    def __init__(self, weights: Weights) -> None:
        dims = weights.dims
        self._weights = weights
        self._grid = range(STRIDE // 2, dims.audio_positions, STRIDE)
        shape = (LEVELS, dims.encoder_layers, 2, dims.heads, len(self._grid), dims.width // dims.heads)
        self._keys_values = torch.zeros(shape, device=weights.device, dtype=weights.dtype)
        self._outputs = self._keys_values.new_zeros(LEVELS, len(self._grid), dims.width)
        self._encoded = [False] * LEVELS

    def levels(self, floors: Tensor) -> Tensor:
        """Return the index of the level nearest to each floor of a normalised log-mel, int64[B].

        A floor that is NaN, of audio whose energy overflows, has the lowest: its own text is an error, no neighbour's.
        """
        return ((floors - LOWEST_LEVEL) / LEVEL_STEP).nan_to_num().round().clamp(0, LEVELS - 1).long()

    def prepare(self, levels: Tensor) -> None:
        """Encode those of the levels that have not been yet."""
        if all(self._encoded):
            return  # to read the levels would be to wait for the device
        for level in set(levels.tolist()):
            if not self._encoded[level]:
                self._encode(level)

    def prepare_all(self) -> None:
        """Encode all levels."""
        self.prepare(torch.arange(LEVELS))

    def tail(self, levels: Tensor, positions: int) -> SilentTail:
        """Return what stands behind windows of that many positions, each at its level.

        Args:
            levels: int64[B], prepared.
            positions: of the windows, a multiple of 16.
        """
        return SilentTail(self._keys_values[levels, :, :, :, self._after(positions) :], LOG_MASS)

    def outputs(self, levels: Tensor, positions: int) -> Tensor:
        """Return the encoder's outputs behind windows of that many positions, [B, silent positions, width]."""
        outputs: Tensor = self._outputs[levels, self._after(positions) :]
        return outputs

    def _after(self, positions: int) -> int:
        """Return how many places of the grid lie within the window."""
        return -(-(positions - self._grid.start) // STRIDE)

    def _encode(self, level: int) -> None:
        dims = self._weights.dims
        shape = (1, dims.mels, 2 * dims.audio_positions)
        log_mel = torch.full(
            shape, LOWEST_LEVEL + level * LEVEL_STEP, device=self._weights.device, dtype=self._weights.dtype
        )
        layers: list[Tensor] = []

        def keep(keys: Tensor, values: Tensor) -> None:
            layers.append(torch.stack([keys[0], values[0]])[:, :, self._grid.start :: STRIDE])

        self._outputs[level] = encode(self._weights, log_mel, observe=keep)[0, self._grid.start :: STRIDE]
        self._keys_values[level] = torch.stack(layers)
        self._encoded[level] = True
