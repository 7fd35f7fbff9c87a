"""Moonshine's decoder as two ONNX graphs, of its weights in float32.

The published graph decodes one text, or several of one length. This one takes rows of different texts, each with its
own audio and as far as it is: what a row has not read, and audio that it has not, is masked. Where each token looks is
an output beside the others. It has a third of the operations.

The architecture is Jeffries et al. 2024, "Moonshine: Speech Recognition for Live Transcription and Voice Commands".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from decoder.engines.moonshine.onnx_writer import (
    FLOAT,
    INT64,
    AttributeType,
    Node,
    OnnxGraph,
    Tensor,
    attribute_bytes,
    model_bytes,
)
from decoder.engines.moonshine.weights import Attention, DecoderWeights, LayerWeights
from vad.audio import Float32

__all__ = ["HEADS", "cross_graph", "decoder_graph", "rotation"]

HEADS = 8

ROTARY_SHARE = 0.9
"""Of a head's numbers those that positions turn; pairs of neighbours, at wavelengths from 2π to 10000 · 2π tokens."""

WAVELENGTHS = 10_000.0

_IR_VERSION = 8
_MICROSOFT = "com.microsoft"
"""ONNX Runtime's own operators."""

_OPERATOR_SETS = (("", 17), (_MICROSOFT, 1))


def rotation(positions: Float32, width: int) -> tuple[Float32, Float32]:
    """Return by what a head's numbers are multiplied, and by what their turned ones.

    Args:
        positions: of tokens, any shape.
        width: numbers of a head.

    Returns:
        cosines and sines, float32[*positions, width].
    """
    turned = _turned(width)
    places = np.arange(width) // 2 * 2
    speeds = np.where(np.arange(width) < turned, WAVELENGTHS ** (-places / max(turned, 1)), 0.0)
    angles = positions[..., None] * speeds
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def cross_graph(weights: DecoderWeights) -> bytes:
    """Return a model that makes keys and values of audio, once for a text.

    In: `states` float32[positions, width]. Out: `cross` float32[2 * layers, heads, positions, head width]; the key of
    each layer, then its value.
    """
    joined = np.concatenate([matrix for layer in weights.layers for matrix in (layer.cross.key, layer.cross.value)], 1)
    graph = _Graph()
    made = graph.add("MatMul", "states", graph.floats(joined))
    split = graph.add("Reshape", made, graph.shape(0, 2 * len(weights.layers), HEADS, weights.width // HEADS))
    graph.name(graph.add("Transpose", split, perm=(1, 2, 0, 3)), "cross")
    return graph.model({"states": FLOAT}, ["cross"])


def decoder_graph(weights: DecoderWeights, attention_layers: Sequence[int]) -> bytes:
    """Return a model that reads tokens of several rows.

    In, for each layer L: `keys.L`, `values.L` float32[rows, heads, past, head width], of what the rows have read;
    `cross_keys.L`, `cross_values.L` float32[rows, heads, positions, head width], of their audio; and

    - `tokens` int64[rows, tokens];
    - `cos`, `sin` float32[rows, 1, tokens, head width], `rotation` of where they stand;
    - `mask` float32[rows, 1, tokens, past + tokens] and `cross_mask` float32[rows, 1, 1, positions]: 0, or -inf where
      a token does not look;
    - `wanted` int64[n], places in rows times tokens.

    Out: `logits` float32[n, vocabulary], for each layer `new_keys.L`, `new_values.L` of the tokens, and `attention.L`
    float32[rows, heads, tokens, positions] of the `attention_layers`.

    Args:
        weights: of the decoder.
        attention_layers: layers whose attention is wanted.
    """
    graph = _Graph()
    hidden = graph.add("Gather", graph.floats(weights.embedding), "tokens")
    inputs = {"tokens": INT64, "wanted": INT64} | dict.fromkeys(("cos", "sin", "mask", "cross_mask"), FLOAT)
    outputs = ["logits"]
    for number, layer in enumerate(weights.layers):
        inputs |= {f"{name}.{number}": FLOAT for name in ("keys", "values", "cross_keys", "cross_values")}
        hidden = graph.own_attention(hidden, layer.own, number)
        hidden, attention = graph.cross_attention(hidden, layer.cross, number)
        if number in attention_layers:
            graph.name(attention, f"attention.{number}")
            outputs.append(f"attention.{number}")
        hidden = graph.gated(hidden, layer)
        outputs += [f"new_keys.{number}", f"new_values.{number}"]
    rows = graph.add("Reshape", graph.normalised(hidden, weights.norm), graph.shape(-1, weights.width))
    wanted = graph.add("Gather", rows, "wanted")
    graph.name(graph.add("MatMul", wanted, graph.floats(weights.out)), "logits")
    return graph.model(inputs, outputs)


@dataclass(slots=True)
class _Graph:
    """A graph that grows node by node."""

    nodes: list[Node] = field(default_factory=list)
    constants: list[Tensor] = field(default_factory=list)

    def add(
        self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: float | Sequence[int]
    ) -> str:
        """Add a node, and return the name of its output, or of its first."""
        stem = f"{op}.{len(self.nodes)}"
        encoded = tuple(_attribute(name, value) for name, value in attributes.items())
        self.nodes.append(Node(op, inputs, tuple(f"{stem}.{place}" for place in range(outputs)), domain, encoded))
        return f"{stem}.0"

    def name(self, output: str, name: str) -> None:
        """Give an output of the graph its name."""
        self.nodes.append(Node("Identity", (output,), (name,)))

    def floats(self, values: Float32) -> str:
        self.constants.append(Tensor.of_floats(f"constant.{len(self.constants)}", np.ascontiguousarray(values)))
        return self.constants[-1].name

    def shape(self, *sizes: int) -> str:
        """Return a constant for `Reshape`: 0 is the size as it is, -1 what is left."""
        self.constants.append(Tensor.of_integers(f"constant.{len(self.constants)}", sizes))
        return self.constants[-1].name

    def model(self, inputs: dict[str, int], outputs: Sequence[str]) -> bytes:
        graph = OnnxGraph(tuple(self.nodes), tuple(self.constants), tuple(inputs.items()), tuple(outputs))
        return model_bytes(graph, _IR_VERSION, _OPERATOR_SETS)

    def normalised(self, hidden: str, weight: Float32) -> str:
        return self.add("LayerNormalization", hidden, self.floats(weight), axis=-1, epsilon=1e-5)

    def own_attention(self, hidden: str, weights: Attention, layer: int) -> str:
        """Attention to the tokens so far; queries and keys are turned by where they stand."""
        width = len(weights.norm) // HEADS
        query = weights.query / np.sqrt(width).astype(np.float32)
        matrices = (query, _turn(query), weights.key, _turn(weights.key), weights.value)
        made = self.add("MatMul", self.normalised(hidden, weights.norm), self.floats(np.concatenate(matrices, 1)))
        heads = self.add("Reshape", made, self.shape(0, 0, len(matrices) * HEADS, width))
        parts = self.add("Split", self.add("Transpose", heads, perm=(0, 2, 1, 3)), outputs=len(matrices), axis=1)
        query_part, query_turned, key_part, key_turned, value = (parts[:-1] + str(place) for place in range(5))
        turned = self._rotated(query_part, query_turned)
        key = self._rotated(key_part, key_turned)
        self.name(key, f"new_keys.{layer}")
        self.name(value, f"new_values.{layer}")
        keys = self.add("Concat", f"keys.{layer}", key, axis=2)
        values = self.add("Concat", f"values.{layer}", value, axis=2)
        attended, _ = self._attended(turned, keys, values, "mask")
        return self.add("Add", hidden, self.add("MatMul", attended, self.floats(weights.out)))

    def cross_attention(self, hidden: str, weights: Attention, layer: int) -> tuple[str, str]:
        """Attention to the audio, and where it looks."""
        width = len(weights.norm) // HEADS
        query = self.floats(weights.query / np.sqrt(width).astype(np.float32))
        made = self.add("MatMul", self.normalised(hidden, weights.norm), query)
        heads = self.add("Transpose", self.add("Reshape", made, self.shape(0, 0, HEADS, width)), perm=(0, 2, 1, 3))
        attended, looks = self._attended(heads, f"cross_keys.{layer}", f"cross_values.{layer}", "cross_mask")
        return self.add("Add", hidden, self.add("MatMul", attended, self.floats(weights.out))), looks

    def gated(self, hidden: str, weights: LayerWeights) -> str:
        """A layer's values, each let through by its gate: SwiGLU."""
        made = self.add("MatMul", self.normalised(hidden, weights.norm), self.floats(weights.up))
        values = self.add("Split", self.add("Add", made, self.floats(weights.up_bias)), outputs=2, axis=-1)
        gates = self.add("QuickGelu", values[:-1] + "1", domain=_MICROSOFT, alpha=1.0)
        down = self.add("MatMul", self.add("Mul", values, gates), self.floats(weights.down))
        return self.add("Add", hidden, self.add("Add", down, self.floats(weights.down_bias)))

    def _rotated(self, values: str, turned: str) -> str:
        return self.add("Add", self.add("Mul", values, "cos"), self.add("Mul", turned, "sin"))

    def _attended(self, queries: str, keys: str, values: str, mask: str) -> tuple[str, str]:
        scores = self.add("FusedMatMul", queries, keys, domain=_MICROSOFT, transB=1)
        looks = self.add("Softmax", self.add("Add", scores, mask), axis=-1)
        heads = self.add("Transpose", self.add("MatMul", looks, values), perm=(0, 2, 1, 3))
        return self.add("Reshape", heads, self.shape(0, 0, -1)), looks


def _turn(matrix: Float32) -> Float32:
    """Return the matrix that makes what another makes, with the pairs of each head turned by a right angle."""
    heads = matrix.reshape(len(matrix), HEADS, -1)
    turned = np.zeros_like(heads)
    end = _turned(heads.shape[2])
    turned[..., 0:end:2] = -heads[..., 1:end:2]
    turned[..., 1:end:2] = heads[..., 0:end:2]
    return turned.reshape(matrix.shape)


def _turned(width: int) -> int:
    return int(width * ROTARY_SHARE) // 2 * 2


def _attribute(name: str, value: float | Sequence[int]) -> bytes:
    match value:
        case int():
            return attribute_bytes(name, AttributeType.INT, [value])
        case float():
            return attribute_bytes(name, AttributeType.FLOAT, [value])
        case _:
            return attribute_bytes(name, AttributeType.INTS, value)
