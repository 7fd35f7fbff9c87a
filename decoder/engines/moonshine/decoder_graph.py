"""Builds Moonshine's decoder as two ONNX graphs with weights in float32.

The published graph decodes one text, or several of one length. This one decodes rows of different texts, each with its
own audio and its own length; masks hide the padding of both. The attention of each token to the audio is an additional
output. The graph has a third of the operations.

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
"""Share of a head's width that rotary position embedding rotates: adjacent pairs, at wavelengths from 2π to
10000 · 2π tokens."""

WAVELENGTHS = 10_000.0

_IR_VERSION = 8
_MICROSOFT = "com.microsoft"
"""ONNX Runtime's own operators."""

_OPERATOR_SETS = (("", 17), (_MICROSOFT, 1))


def rotation(positions: Float32, width: int) -> tuple[Float32, Float32]:
    """Return the factors of rotary position embedding.

    Args:
        positions: of tokens, any shape.
        width: of a head.

    Returns:
        cosines, for the vectors of a head, and sines, for the same vectors rotated by 90°; float32[*positions, width].
    """
    rotary = _rotary_width(width)
    places = np.arange(width) // 2 * 2
    frequencies = np.where(np.arange(width) < rotary, WAVELENGTHS ** (-places / max(rotary, 1)), 0.0)
    angles = positions[..., None] * frequencies
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def cross_graph(weights: DecoderWeights) -> bytes:
    """Return an ONNX model that projects encoded audio to keys and values, once per text.

    In: `states` float32[positions, width]. Out: `cross` float32[2 * layers, heads, positions, head width]; the keys of
    each layer, then its values.
    """
    attentions = [layer.cross_attention for layer in weights.layers]
    joined = np.concatenate([matrix for attention in attentions for matrix in (attention.key, attention.value)], 1)
    graph = _Graph()
    projected = graph.add("MatMul", "states", graph.floats(joined))
    split = graph.add("Reshape", projected, graph.shape(0, 2 * len(weights.layers), HEADS, weights.width // HEADS))
    graph.name(graph.add("Transpose", split, perm=(1, 2, 0, 3)), "cross")
    return graph.model({"states": FLOAT}, ["cross"])


def decoder_graph(weights: DecoderWeights, attention_layers: Sequence[int]) -> bytes:
    """Return an ONNX model of one decoder step over several rows.

    In, for each layer L: `keys.L`, `values.L` float32[rows, heads, past, head width], of the tokens read before;
    `cross_keys.L`, `cross_values.L` float32[rows, heads, positions, head width], of the audio; and

    - `tokens` int64[rows, tokens];
    - `cos`, `sin` float32[rows, 1, tokens, head width], `rotation` of their positions;
    - `mask` float32[rows, 1, tokens, past + tokens] and `cross_mask` float32[rows, 1, 1, positions]: 0, or -inf where
      attention is masked;
    - `wanted` int64[n], indices of the tokens whose logits are returned, in rows times tokens.

    Out: `logits` float32[n, vocabulary], for each layer `new_keys.L`, `new_values.L` of the tokens, and `attention.L`
    float32[rows, heads, tokens, positions] of the `attention_layers`.

    Args:
        weights: of the decoder.
        attention_layers: layers whose cross-attention is an output.
    """
    graph = _Graph()
    hidden = graph.add("Gather", graph.floats(weights.embedding), "tokens")
    inputs = {"tokens": INT64, "wanted": INT64} | dict.fromkeys(("cos", "sin", "mask", "cross_mask"), FLOAT)
    outputs = ["logits"]
    for number, layer in enumerate(weights.layers):
        inputs |= {f"{name}.{number}": FLOAT for name in ("keys", "values", "cross_keys", "cross_values")}
        hidden = graph.self_attention(hidden, layer.self_attention, number)
        hidden, attention = graph.cross_attention(hidden, layer.cross_attention, number)
        if number in attention_layers:
            graph.name(attention, f"attention.{number}")
            outputs.append(f"attention.{number}")
        hidden = graph.feed_forward(hidden, layer)
        outputs += [f"new_keys.{number}", f"new_values.{number}"]
    rows = graph.add("Reshape", graph.layer_norm(hidden, weights.norm), graph.shape(-1, weights.width))
    wanted = graph.add("Gather", rows, "wanted")
    graph.name(graph.add("MatMul", wanted, graph.floats(weights.out)), "logits")
    return graph.model(inputs, outputs)


@dataclass(slots=True)
class _Graph:
    """A graph under construction."""

    nodes: list[Node] = field(default_factory=list)
    constants: list[Tensor] = field(default_factory=list)

    def add(
        self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: float | Sequence[int]
    ) -> str:
        """Add a node and return the name of its first output."""
        stem = f"{op}.{len(self.nodes)}"
        encoded = tuple(_attribute(name, value) for name, value in attributes.items())
        self.nodes.append(Node(op, inputs, tuple(f"{stem}.{place}" for place in range(outputs)), domain, encoded))
        return f"{stem}.0"

    def name(self, output: str, name: str) -> None:
        """Name an output of the graph."""
        self.nodes.append(Node("Identity", (output,), (name,)))

    def floats(self, values: Float32) -> str:
        self.constants.append(Tensor.of_floats(f"constant.{len(self.constants)}", np.ascontiguousarray(values)))
        return self.constants[-1].name

    def shape(self, *sizes: int) -> str:
        """Return a constant for `Reshape`: 0 keeps a size, -1 is inferred."""
        self.constants.append(Tensor.of_integers(f"constant.{len(self.constants)}", sizes))
        return self.constants[-1].name

    def model(self, inputs: dict[str, int], outputs: Sequence[str]) -> bytes:
        graph = OnnxGraph(tuple(self.nodes), tuple(self.constants), tuple(inputs.items()), tuple(outputs))
        return model_bytes(graph, _IR_VERSION, _OPERATOR_SETS)

    def layer_norm(self, hidden: str, weight: Float32) -> str:
        return self.add("LayerNormalization", hidden, self.floats(weight), axis=-1, epsilon=1e-5)

    def self_attention(self, hidden: str, weights: Attention, layer: int) -> str:
        """Add attention to the tokens so far, with rotary position embedding of queries and keys."""
        width = len(weights.norm) // HEADS
        query = weights.query / np.sqrt(width).astype(np.float32)
        matrices = (query, _rotate_90(query), weights.key, _rotate_90(weights.key), weights.value)
        projected = self.add("MatMul", self.layer_norm(hidden, weights.norm), self.floats(np.concatenate(matrices, 1)))
        heads = self.add("Reshape", projected, self.shape(0, 0, len(matrices) * HEADS, width))
        parts = self.add("Split", self.add("Transpose", heads, perm=(0, 2, 1, 3)), outputs=len(matrices), axis=1)
        query_part, query_rotated, key_part, key_rotated, value = (parts[:-1] + str(place) for place in range(5))
        embedded_query = self._with_position(query_part, query_rotated)
        key = self._with_position(key_part, key_rotated)
        self.name(key, f"new_keys.{layer}")
        self.name(value, f"new_values.{layer}")
        keys = self.add("Concat", f"keys.{layer}", key, axis=2)
        values = self.add("Concat", f"values.{layer}", value, axis=2)
        attended, _ = self._attend(embedded_query, keys, values, "mask")
        return self.add("Add", hidden, self.add("MatMul", attended, self.floats(weights.out)))

    def cross_attention(self, hidden: str, weights: Attention, layer: int) -> tuple[str, str]:
        """Add attention to the audio; return the names of the hidden state and of the attention weights."""
        width = len(weights.norm) // HEADS
        query = self.floats(weights.query / np.sqrt(width).astype(np.float32))
        projected = self.add("MatMul", self.layer_norm(hidden, weights.norm), query)
        split = self.add("Reshape", projected, self.shape(0, 0, HEADS, width))
        heads = self.add("Transpose", split, perm=(0, 2, 1, 3))
        attended, attention = self._attend(heads, f"cross_keys.{layer}", f"cross_values.{layer}", "cross_mask")
        return self.add("Add", hidden, self.add("MatMul", attended, self.floats(weights.out))), attention

    def feed_forward(self, hidden: str, weights: LayerWeights) -> str:
        """Add the feed-forward part of a layer: SwiGLU."""
        projected = self.add("MatMul", self.layer_norm(hidden, weights.norm), self.floats(weights.up))
        values = self.add("Split", self.add("Add", projected, self.floats(weights.up_bias)), outputs=2, axis=-1)
        gates = self.add("QuickGelu", values[:-1] + "1", domain=_MICROSOFT, alpha=1.0)
        down = self.add("MatMul", self.add("Mul", values, gates), self.floats(weights.down))
        return self.add("Add", hidden, self.add("Add", down, self.floats(weights.down_bias)))

    def _with_position(self, values: str, rotated: str) -> str:
        return self.add("Add", self.add("Mul", values, "cos"), self.add("Mul", rotated, "sin"))

    def _attend(self, queries: str, keys: str, values: str, mask: str) -> tuple[str, str]:
        scores = self.add("FusedMatMul", queries, keys, domain=_MICROSOFT, transB=1)
        attention = self.add("Softmax", self.add("Add", scores, mask), axis=-1)
        heads = self.add("Transpose", self.add("MatMul", attention, values), perm=(0, 2, 1, 3))
        return self.add("Reshape", heads, self.shape(0, 0, -1)), attention


def _rotate_90(matrix: Float32) -> Float32:
    """Return a projection whose results are those of `matrix` with the adjacent pairs of each head rotated by 90°."""
    heads = matrix.reshape(len(matrix), HEADS, -1)
    rotated = np.zeros_like(heads)
    end = _rotary_width(heads.shape[2])
    rotated[..., 0:end:2] = -heads[..., 1:end:2]
    rotated[..., 1:end:2] = heads[..., 0:end:2]
    return rotated.reshape(matrix.shape)


def _rotary_width(width: int) -> int:
    return int(width * ROTARY_SHARE) // 2 * 2


def _attribute(name: str, value: float | Sequence[int]) -> bytes:
    match value:
        case int():
            return attribute_bytes(name, AttributeType.INT, [value])
        case float():
            return attribute_bytes(name, AttributeType.FLOAT, [value])
        case _:
            return attribute_bytes(name, AttributeType.INTS, value)
