"""Texts of several utterances written together: each step of the decoder reads on in all that are not over.

A step spends most of its time on fetching the weights, so that four rows take little longer than one.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from decoder.engine import EngineWork
from decoder.engines.moonshine.decoder_graph import HEADS, rotation
from decoder.engines.moonshine.greedy_search import Looked, Read, Text
from decoder.engines.moonshine.network import ALIGNMENT_HEADS, Arrays, Network
from vad.audio import Float32

__all__ = ["Rows", "Writing", "groups", "write_together"]

MOST_POSITIONS = 8192
"""Of all rows that are decoded together, padding included: 200 s of audio, in 110 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Writing:
    """A text that is about to be written.

    Attributes:
        text: `write`, not begun.
        encoded: its audio, `Network.encode`.
        limit: most tokens of it.
    """

    text: Generator[Read, Looked, Text]
    encoded: Float32
    limit: int

    @property
    def positions(self) -> int:
        """How many the encoder made of its audio."""
        return int(self.encoded.shape[2])


def groups(writings: Sequence[Writing]) -> Iterator[list[int]]:
    """Return the places of those that are written together, the shorter ones first."""
    group: list[int] = []
    for place in sorted(range(len(writings)), key=lambda place: writings[place].positions):
        if group and (len(group) + 1) * writings[place].positions > MOST_POSITIONS:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def write_together(
    network: Network, writings: Sequence[Writing], work: EngineWork, proceed: Callable[[], None]
) -> list[Text]:
    """Return the texts, in the same order.

    Args:
        network: that reads them.
        writings: one at least; they are used up.
        work: where what is read is counted.
        proceed: called before each step; what it raises ends the work.
    """
    rows = Rows(network, [each.encoded for each in writings], 1 + max(each.limit for each in writings))
    texts: dict[int, Text] = {}
    wanted = {place: next(each.text) for place, each in enumerate(writings)}
    while wanted:
        proceed()
        work.decoder_steps += len(wanted)
        found = rows.read(
            list(wanted), [read.kept for read in wanted.values()], [read.tokens for read in wanted.values()]
        )
        going_on, wanted = wanted, {}
        for place, looked in zip(going_on, found, strict=True):
            try:
                wanted[place] = writings[place].text.send(looked)
            except StopIteration as over:
                texts[place] = over.value
    return [texts[place] for place in range(len(writings))]


class Rows:
    """The decoder at several utterances: reads tokens of some of them at a time, and says what comes after each.

    A row's answers do not depend on the other rows.
    """

    def __init__(self, network: Network, encoded: Sequence[Float32], most_tokens: int) -> None:
        """Begin with nothing read.

        Args:
            network: that reads.
            encoded: of each row, `Network.encode`.
            most_tokens: that are read of one row.
        """
        self._network = network
        self._cross, self._cross_mask = _padded(encoded)
        shape = (2 * network.layers, len(encoded), HEADS, most_tokens, network.head_width)
        self._read: Float32 = np.zeros(shape, np.float32)
        self._lengths = np.zeros(len(encoded), np.int64)
        self._positions = [cross.shape[2] for cross in encoded]
        self._rows = list(range(len(encoded)))

    def read(
        self, places: Sequence[int], kept: Sequence[int], tokens: Sequence[Sequence[int]]
    ) -> list[tuple[Float32, Float32]]:
        """Read on in some of the rows; those left out are over.

        Args:
            places: of the rows, increasing.
            kept: so many tokens each keeps of what it has read before; what comes after them is forgotten.
            tokens: that each reads then, one at least.

        Returns:
            of each row float32[tokens, vocabulary], logits of what comes after each token, and float32[tokens,
            positions], where it looks; a row of it sums to 1.
        """
        self._keep(places)
        self._lengths[:] = kept
        counts = [len(each) for each in tokens]
        outputs = self._network.step(self._feeds(tokens))
        self._remember(outputs, counts)
        looks = np.mean([outputs[f"attention.{layer}"][:, head] for layer, head in ALIGNMENT_HEADS], axis=0)
        logits = np.split(outputs["logits"], np.cumsum(counts)[:-1])
        return [
            (logits[row], looks[row, : counts[row], : self._positions[place]]) for row, place in enumerate(self._rows)
        ]

    def _keep(self, places: Sequence[int]) -> None:
        """Leave out the rows that are over."""
        if len(places) == len(self._rows):
            return
        stays = [self._rows.index(place) for place in places]
        self._rows = list(places)
        self._lengths = self._lengths[stays]
        self._cross_mask = self._cross_mask[stays]
        self._cross = np.ascontiguousarray(self._cross[:, stays])
        self._read = np.ascontiguousarray(self._read[:, stays])

    def _feeds(self, tokens: Sequence[Sequence[int]]) -> Arrays:
        longest = max(map(len, tokens))
        rows, past = len(tokens), self._read.shape[3]
        read = np.zeros((rows, longest), np.int64)
        for row, each in enumerate(tokens):
            read[row, : len(each)] = each
        has_read = np.where(np.arange(past) < self._lengths[:, None, None, None], 0, -np.inf)
        reads_now = np.where(np.tri(longest, dtype=bool), 0, -np.inf)  # what fills a row up comes after all that counts
        masks = (np.broadcast_to(each, (rows, 1, longest, each.shape[-1])) for each in (has_read, reads_now))
        mask = np.concatenate(tuple(masks), axis=3).astype(np.float32)
        positions = (self._lengths[:, None, None] + np.arange(longest)).astype(np.float32)
        cos, sin = rotation(positions, self._network.head_width)
        wanted = np.concatenate([row * longest + np.arange(len(each)) for row, each in enumerate(tokens)])
        feeds: Arrays = {"tokens": read, "cos": cos, "sin": sin, "mask": mask, "wanted": wanted}
        feeds["cross_mask"] = self._cross_mask
        for layer in range(self._network.layers):
            key, value = 2 * layer, 2 * layer + 1
            feeds |= {f"keys.{layer}": self._read[key], f"values.{layer}": self._read[value]}
            feeds |= {f"cross_keys.{layer}": self._cross[key], f"cross_values.{layer}": self._cross[value]}
        return feeds

    def _remember(self, outputs: dict[str, Float32], counts: Sequence[int]) -> None:
        for row, (length, count) in enumerate(zip(self._lengths.tolist(), counts, strict=True)):
            for layer in range(self._network.layers):
                for place, name in enumerate(("new_keys", "new_values")):
                    new = outputs[f"{name}.{layer}"][row, :, :count]
                    self._read[2 * layer + place, row, :, length : length + count] = new
        self._lengths += counts


def _padded(encoded: Sequence[Float32]) -> tuple[Float32, Float32]:
    """Return what several audios are encoded as, padded to one length, and the mask that hides the padding."""
    layers, heads, _, width = encoded[0].shape
    longest = max(cross.shape[2] for cross in encoded)
    together: Float32 = np.zeros((layers, len(encoded), heads, longest, width), np.float32)
    mask: Float32 = np.full((len(encoded), 1, 1, longest), -np.inf, np.float32)
    for row, cross in enumerate(encoded):
        together[:, row, :, : cross.shape[2]] = cross
        mask[row, ..., : cross.shape[2]] = 0
    return together, mask
