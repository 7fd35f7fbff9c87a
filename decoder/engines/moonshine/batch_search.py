"""Generates the texts of several utterances together: each decoder step advances all texts that are not finished.

A step spends most of its time on fetching the weights, so that four rows take little longer than one.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from decoder.engine import EngineWork
from decoder.engines.moonshine.decoder_graph import HEADS, rotation
from decoder.engines.moonshine.greedy_search import DecoderStep, StepOutput, Text
from decoder.engines.moonshine.network import ALIGNMENT_HEADS, Arrays, Network
from vad.audio import Float32

__all__ = ["DecoderRows", "Generation", "generate_together", "memory_groups"]

MAX_POSITIONS = 8192
"""Encoder positions of all rows decoded together, padding included: 200 s of audio, in 110 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """A text to be generated.

    Attributes:
        steps: a call of `generate`, not started.
        encoded: its audio, from `Network.encode`.
        limit: maximum tokens of the text.
    """

    steps: Generator[DecoderStep, StepOutput, Text]
    encoded: Float32
    limit: int

    @property
    def positions(self) -> int:
        """The number of encoder positions of its audio."""
        return int(self.encoded.shape[2])


def memory_groups(generations: Sequence[Generation]) -> Iterator[list[int]]:
    """Yield the indices of generations that fit into memory together, the shorter ones first."""
    group: list[int] = []
    for place in sorted(range(len(generations)), key=lambda place: generations[place].positions):
        if group and (len(group) + 1) * generations[place].positions > MAX_POSITIONS:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def generate_together(
    network: Network, generations: Sequence[Generation], work: EngineWork, proceed: Callable[[], None]
) -> list[Text]:
    """Return the texts, in the same order.

    Args:
        network: the model.
        generations: at least one; they are consumed.
        work: the counts that are added to.
        proceed: called before each step; an exception that it raises stops decoding.
    """
    rows = DecoderRows(network, [each.encoded for each in generations], 1 + max(each.limit for each in generations))
    texts: dict[int, Text] = {}
    pending = {place: next(each.steps) for place, each in enumerate(generations)}
    while pending:
        proceed()
        work.decoder_steps += len(pending)
        outputs = rows.read(
            list(pending), [step.kept for step in pending.values()], [step.tokens for step in pending.values()]
        )
        advanced, pending = pending, {}
        for place, output in zip(advanced, outputs, strict=True):
            try:
                pending[place] = generations[place].steps.send(output)
            except StopIteration as finished:
                texts[place] = finished.value
    return [texts[place] for place in range(len(generations))]


class DecoderRows:
    """The decoder state (keys and values) of several utterances, one per row.

    The output of a row does not depend on the other rows.
    """

    def __init__(self, network: Network, encoded: Sequence[Float32], max_tokens: int) -> None:
        """Begin with empty rows.

        Args:
            network: the model.
            encoded: the audio of each row, from `Network.encode`.
            max_tokens: maximum tokens of a row.
        """
        self._network = network
        self._cross, self._cross_mask = _padded(encoded)
        shape = (2 * network.layers, len(encoded), HEADS, max_tokens, network.head_width)
        self._past: Float32 = np.zeros(shape, np.float32)
        self._lengths = np.zeros(len(encoded), np.int64)
        self._positions = [cross.shape[2] for cross in encoded]
        self._rows = list(range(len(encoded)))

    def read(
        self, places: Sequence[int], kept: Sequence[int], tokens: Sequence[Sequence[int]]
    ) -> list[tuple[Float32, Float32]]:
        """Read tokens in some of the rows; rows left out are finished.

        Args:
            places: indices of the rows, ascending.
            kept: number of tokens that each row keeps of those read before; later ones are discarded.
            tokens: tokens that each row reads after them, at least one.

        Returns:
            for each row float32[tokens, vocabulary], the logits after each token, and float32[tokens, positions], its
            attention to the audio; each row of it sums to 1.
        """
        self._remove_others(places)
        self._lengths[:] = kept
        counts = [len(each) for each in tokens]
        outputs = self._network.step(self._feeds(tokens))
        self._append(outputs, counts)
        attention = np.mean([outputs[f"attention.{layer}"][:, head] for layer, head in ALIGNMENT_HEADS], axis=0)
        logits = np.split(outputs["logits"], np.cumsum(counts)[:-1])
        return [
            (logits[row], attention[row, : counts[row], : self._positions[place]])
            for row, place in enumerate(self._rows)
        ]

    def _remove_others(self, places: Sequence[int]) -> None:
        """Remove the rows that are finished."""
        if len(places) == len(self._rows):
            return
        remaining = [self._rows.index(place) for place in places]
        self._rows = list(places)
        self._lengths = self._lengths[remaining]
        self._cross_mask = self._cross_mask[remaining]
        self._cross = np.ascontiguousarray(self._cross[:, remaining])
        self._past = np.ascontiguousarray(self._past[:, remaining])

    def _feeds(self, tokens: Sequence[Sequence[int]]) -> Arrays:
        longest = max(map(len, tokens))
        rows, capacity = len(tokens), self._past.shape[3]
        padded = np.zeros((rows, longest), np.int64)
        for row, each in enumerate(tokens):
            padded[row, : len(each)] = each
        past_mask = np.where(np.arange(capacity) < self._lengths[:, None, None, None], 0, -np.inf)
        causal_mask = np.where(np.tri(longest, dtype=bool), 0, -np.inf)  # hides the padding too: it comes last
        masks = (np.broadcast_to(each, (rows, 1, longest, each.shape[-1])) for each in (past_mask, causal_mask))
        mask = np.concatenate(tuple(masks), axis=3).astype(np.float32)
        positions = (self._lengths[:, None, None] + np.arange(longest)).astype(np.float32)
        cos, sin = rotation(positions, self._network.head_width)
        wanted = np.concatenate([row * longest + np.arange(len(each)) for row, each in enumerate(tokens)])
        feeds: Arrays = {"tokens": padded, "cos": cos, "sin": sin, "mask": mask, "wanted": wanted}
        feeds["cross_mask"] = self._cross_mask
        for layer in range(self._network.layers):
            key, value = 2 * layer, 2 * layer + 1
            feeds |= {f"keys.{layer}": self._past[key], f"values.{layer}": self._past[value]}
            feeds |= {f"cross_keys.{layer}": self._cross[key], f"cross_values.{layer}": self._cross[value]}
        return feeds

    def _append(self, outputs: dict[str, Float32], counts: Sequence[int]) -> None:
        for row, (length, count) in enumerate(zip(self._lengths.tolist(), counts, strict=True)):
            for layer in range(self._network.layers):
                for place, name in enumerate(("new_keys", "new_values")):
                    new = outputs[f"{name}.{layer}"][row, :, :count]
                    self._past[2 * layer + place, row, :, length : length + count] = new
        self._lengths += counts


def _padded(encoded: Sequence[Float32]) -> tuple[Float32, Float32]:
    """Return the encoded audio of several rows, padded to one length, and the mask that hides the padding."""
    layers, heads, _, width = encoded[0].shape
    longest = max(cross.shape[2] for cross in encoded)
    together: Float32 = np.zeros((layers, len(encoded), heads, longest, width), np.float32)
    mask: Float32 = np.full((len(encoded), 1, 1, longest), -np.inf, np.float32)
    for row, cross in enumerate(encoded):
        together[:, row, :, : cross.shape[2]] = cross
        mask[row, ..., : cross.shape[2]] = 0
    return together, mask
