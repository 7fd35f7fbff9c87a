"""Reads the weights of Moonshine's decoder from the published graph, and converts them to float32.

The published decoder quantises activations by the greatest value of the whole batch (DynamicQuantizeLinear). So a
token's probabilities depend on the other rows of the batch and on how many tokens are read at once: 9 of 58 utterances
got a different text when the words of the previous partial were read in one step rather than one by one. With the same
weights in float32 only rounding differs, and the word error rate is the same.

The graph is in ONNX Runtime's own format, a flatbuffer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import Graph as StoredGraph
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

from vad.audio import Float32

__all__ = ["Attention", "DecoderWeights", "LayerWeights", "read_decoder"]

_DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8}
"""TensorProto.DataType → dtype, for weights and their scales."""

_QUANTISED = "_quantized"
_DECODER = "/model/decoder"
_GRAPH = 5
"""AttributeProto.GRAPH: the two branches of the graph are attributes of a node."""


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """Matrices of one attention, float32[width, width], and the weight of the normalisation before it."""

    norm: Float32
    query: Float32
    key: Float32
    value: Float32
    out: Float32


@dataclass(frozen=True, slots=True, eq=False)
class LayerWeights:
    """One layer.

    Attributes:
        self_attention: attention to the tokens so far.
        cross_attention: attention to the audio.
        norm: float32[width], before the feed-forward part.
        up, up_bias: float32[width, 2 * inner], of the values and then of their gates.
        down, down_bias: float32[inner, width].
    """

    self_attention: Attention
    cross_attention: Attention
    norm: Float32
    up: Float32
    up_bias: Float32
    down: Float32
    down_bias: Float32


@dataclass(frozen=True, slots=True, eq=False)
class DecoderWeights:
    """All weights of the decoder.

    Attributes:
        embedding: float32[vocabulary, width].
        layers: in order.
        norm: float32[width], after the last layer.
        out: float32[width, vocabulary].
    """

    embedding: Float32
    layers: tuple[LayerWeights, ...]
    norm: Float32
    out: Float32

    @property
    def width(self) -> int:
        """Width of a token's embedding."""
        return int(self.embedding.shape[1])


def read_decoder(stored: bytes) -> DecoderWeights:
    """Return the weights of a stored decoder.

    Args:
        stored: content of a `decoder_model_merged.ort`.

    Raises:
        ValueError: the content is not a Moonshine decoder.
    """
    if not InferenceSession.InferenceSessionBufferHasIdentifier(stored, 0):
        raise ValueError("not a model in ONNX Runtime's format")
    model = InferenceSession.GetRootAs(stored, 0).Model()
    if model is None or model.Graph() is None:
        raise ValueError("the model has no graph")
    return _StoredWeights(model.Graph()).decoder()


class _StoredWeights:
    """Finds weights by the names of the nodes that use them, in the graph and its branches."""

    def __init__(self, graph: StoredGraph.Graph) -> None:
        self._inputs: dict[str, tuple[str, ...]] = {}
        self._constants: dict[str, Float32] = {}
        for part in _parts(graph):
            for place in range(part.NodesLength()):
                node = part.Nodes(place)
                self._inputs[_text(node.Name())] = _names(node.Inputs, node.InputsLength())
            for place in range(part.InitializersLength()):
                tensor = part.Initializers(place)
                if tensor.DataType() in _DTYPES and not tensor.RawDataIsNone():
                    numbers = tensor.RawDataAsNumpy().view(_DTYPES[tensor.DataType()])
                    shape = [tensor.Dims(axis) for axis in range(tensor.DimsLength())]
                    self._constants[_text(tensor.Name())] = numbers.reshape(shape)

    def decoder(self) -> DecoderWeights:
        count = 0
        while self._has(f"{_DECODER}/layers.{count}/mlp/fc1/MatMul_quant"):
            count += 1
        if not count:
            raise ValueError("not a Moonshine decoder: the graph has no layers")
        return DecoderWeights(
            self._matrix(f"{_DECODER}/embed_tokens/Gather", 0),
            tuple(self._layer(f"{_DECODER}/layers.{layer}") for layer in range(count)),
            self._input(f"{_DECODER}/norm/LayerNormalization", 1),
            self._matrix("/proj_out/MatMul_quant"),
        )

    def _layer(self, path: str) -> LayerWeights:
        return LayerWeights(
            self._attention(f"{path}/self_attn", f"{path}/input_layernorm"),
            self._attention(f"{path}/encoder_attn", f"{path}/post_attention_layernorm"),
            self._input(f"{path}/final_layernorm/LayerNormalization", 1),
            self._matrix(f"{path}/mlp/fc1/MatMul_quant"),
            self._input(f"{path}/mlp/fc1/MatMul_quant", 4),
            self._matrix(f"{path}/mlp/fc2/MatMul_quant"),
            self._input(f"{path}/mlp/fc2/MatMul_quant", 4),
        )

    def _attention(self, path: str, norm: str) -> Attention:
        query, key, value, out = (self._matrix(f"{path}/{name}_proj/MatMul_quant") for name in "qkvo")
        return Attention(self._input(f"{norm}/LayerNormalization", 1), query, key, value, out)

    def _has(self, node: str) -> bool:
        return node in self._inputs

    def _matrix(self, node: str, place: int = 1) -> Float32:
        """Return a quantised input of a node as float32."""
        name = self._name(node, place).removesuffix(_QUANTISED)
        zero = self._constant(f"{name}_zero_point").astype(np.float32)
        numbers = self._constant(f"{name}{_QUANTISED}").astype(np.float32)
        matrix: Float32 = (numbers - zero) * self._constant(f"{name}_scale")
        return matrix

    def _input(self, node: str, place: int) -> Float32:
        return self._constant(self._name(node, place))

    def _name(self, node: str, place: int) -> str:
        inputs = self._inputs.get(node, ())
        if place >= len(inputs):
            raise ValueError(f"not a Moonshine decoder: node {node} has no input {place}")
        return inputs[place]

    def _constant(self, name: str) -> Float32:
        if name not in self._constants:
            raise ValueError(f"not a Moonshine decoder: weight {name} is missing")
        return self._constants[name]


def _parts(graph: StoredGraph.Graph) -> Iterator[StoredGraph.Graph]:
    """Yield a graph and its subgraphs."""
    yield graph
    for place in range(graph.NodesLength()):
        node = graph.Nodes(place)
        for number in range(node.AttributesLength()):
            attribute = node.Attributes(number)
            if attribute.Type() == _GRAPH:
                yield from _parts(attribute.G())


def _names(name: Callable[[int], bytes], count: int) -> tuple[str, ...]:
    return tuple(_text(name(place)) for place in range(count))


def _text(stored: bytes | None) -> str:
    return stored.decode() if stored else ""
