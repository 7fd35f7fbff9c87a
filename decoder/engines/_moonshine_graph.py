"""Moonshine's decoder made exact: the published 8-bit graph as one that computes in float32, and shows its attention.

The published decoder quantises what it computes by the greatest value of the whole batch (DynamicQuantizeLinear). So a
token's probabilities depend on the rows beside it and on how many tokens are read at once: of 58 utterances 9 had
another text when the words of the partial before were read at once instead of one after the other. With the same
weights in float32 there is nothing left but rounding (1e-6 nats), and as many words are wrong. A step takes 10 ms
instead of 6, and drafts, which are possible now, save half of the steps.

The graph is in ONNX Runtime's own format, a flatbuffer. It is written as ONNX, each quantised product as a plain one,
with the cross-attention of each layer as an output beside the others.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import assert_never

import numpy as np
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import Attribute as StoredAttribute
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import Graph as StoredGraph
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import Node as StoredNode
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import Tensor as StoredTensor
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs import TypeInfo
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.TensorTypeAndShape import TensorTypeAndShape

from decoder.engines._moonshine_onnx import AttributeType, Node, OnnxGraph, Tensor, attribute_bytes, model_bytes
from vad.audio import Float32

__all__ = ["exact_decoder"]

_ATTENTION = re.compile(r"layers\.(\d+)/encoder_attn/Softmax")

_DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8}
"""Of TensorProto.DataType, what weights and their scales are stored in."""


def exact_decoder(stored: bytes) -> bytes:
    """Return the decoder as an ONNX model, with outputs `attention.0` … beside its own.

    Args:
        stored: content of a `decoder_model_merged.ort`.

    Raises:
        ValueError: it is no such graph.
    """
    if not InferenceSession.InferenceSessionBufferHasIdentifier(stored, 0):
        raise ValueError("no model in ONNX Runtime's format")
    model = InferenceSession.GetRootAs(stored, 0).Model()
    if model is None or model.Graph() is None:
        raise ValueError("a model without a graph")
    sets = [model.OpsetImport(place) for place in range(model.OpsetImportLength())]
    graph = _Rewriter().main_graph(model.Graph())
    return model_bytes(graph, model.IrVersion(), [(_text(one.Domain()), one.Version()) for one in sets])


@dataclass(frozen=True, slots=True)
class _StoredNode:
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    domain: str
    attributes: tuple[StoredAttribute.Attribute, ...]


@dataclass(slots=True)
class _Rewriter:
    """Rewrites one model.

    Attributes:
        constants: all so far, by name: those of the main graph are used in the branches.
        unquantised: quantised tensor → what it was made of.
        weights: float32 weights of the products so far, by name.
        used: what any node so far takes.
        attention: names of the cross-attention as outputs, one a layer.
    """

    constants: dict[str, Tensor] = field(default_factory=dict)
    unquantised: dict[str, str] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    attention: tuple[str, ...] = ()

    def main_graph(self, stored: StoredGraph.Graph) -> OnnxGraph:
        graph = self.graph(stored)
        if not self.attention:
            raise ValueError("no cross-attention in the graph")
        nodes = tuple(
            replace(node, outputs=(*node.outputs, *self.attention)) if node.op == "If" else node for node in graph.nodes
        )
        constants = (*graph.constants, *self.weights.values())
        return OnnxGraph(nodes, constants, _inputs(stored), (*graph.outputs, *self.attention))

    def graph(self, stored: StoredGraph.Graph) -> OnnxGraph:
        own = [_tensor(stored.Initializers(place)) for place in range(stored.InitializersLength())]
        self.constants |= {tensor.name: tensor for tensor in own}
        nodes = [new for node in _ordered(stored) for new in self._rewritten(node)]
        layers = {int(found[1]): name for node in nodes for name in node.outputs if (found := _ATTENTION.search(name))}
        outputs = _names(stored.Outputs, stored.OutputsLength())
        if layers:
            self.attention = tuple(f"attention.{layer}" for layer in sorted(layers))
            nodes += [Node("Identity", (layers[layer],), (f"attention.{layer}",)) for layer in sorted(layers)]
            outputs += self.attention
        self.used.update(outputs, *(node.inputs for node in nodes))
        return OnnxGraph(tuple(nodes), tuple(tensor for tensor in own if tensor.name in self.used), (), outputs)

    def _rewritten(self, node: _StoredNode) -> list[Node]:
        inputs = node.inputs
        if node.op == "DynamicQuantizeLinear":
            self.unquantised[node.outputs[0]] = inputs[0]
            return []
        if node.op == "DynamicQuantizeMatMul":  # A, B, B's scale, its zero point, bias
            left, right, scale, zero, bias = (*inputs, "", "")[:5]
        elif node.op == "MatMulIntegerToFloat":  # A, B, A's scale, B's scale, A's zero point, B's zero point, bias
            quantised, right, _, scale, _, zero, bias = (*inputs, "", "", "")[:7]
            left = self.unquantised[quantised]
        else:
            attributes = tuple(self._attribute(attribute) for attribute in node.attributes)
            return [Node(node.op, inputs, node.outputs, node.domain, attributes)]
        product = f"{node.outputs[0]}/product" if bias else node.outputs[0]
        nodes = [Node("MatMul", (left, self._weight(right, scale, zero)), (product,))]
        return [*nodes, Node("Add", (product, bias), node.outputs)] if bias else nodes

    def _weight(self, name: str, scale: str, zero: str) -> str:
        """Return the name of a weight in float32."""
        plain = f"{name}/float32"
        if plain not in self.weights:
            offset = _numbers(self.constants[zero]) if zero else np.float32(0)
            values = (_numbers(self.constants[name]) - offset) * _numbers(self.constants[scale])
            self.weights[plain] = Tensor.of_floats(plain, values)
        return plain

    def _attribute(self, stored: StoredAttribute.Attribute) -> bytes:
        kind = AttributeType(stored.Type())
        values: Iterable[int | float | bytes]
        match kind:
            case AttributeType.FLOAT:
                values = [float(stored.F())]
            case AttributeType.INT:
                values = [int(stored.I())]
            case AttributeType.STRING:
                values = [bytes(stored.S())]
            case AttributeType.TENSOR:
                values = [_tensor(stored.T()).encoded()]
            case AttributeType.GRAPH:
                values = [self.graph(stored.G()).encoded()]
            case AttributeType.FLOATS:
                values = [float(stored.Floats(place)) for place in range(stored.FloatsLength())]
            case AttributeType.INTS:
                values = [int(stored.Ints(place)) for place in range(stored.IntsLength())]
            case AttributeType.STRINGS:
                values = [bytes(stored.Strings(place)) for place in range(stored.StringsLength())]
            case _:
                assert_never(kind)
        return attribute_bytes(_text(stored.Name()), kind, values)


def _ordered(stored: StoredGraph.Graph) -> list[_StoredNode]:
    """Return the nodes of a graph, each after those whose outputs it takes."""
    waiting = [_node(stored.Nodes(place)) for place in range(stored.NodesLength())]
    missing = {name for node in waiting for name in node.outputs}
    ordered: list[_StoredNode] = []
    while waiting:
        later = []
        for node in waiting:
            if missing.isdisjoint(node.inputs):
                ordered.append(node)
                missing.difference_update(node.outputs)
            else:
                later.append(node)
        if len(later) == len(waiting):
            raise ValueError("the graph goes round in a circle")
        waiting = later
    return ordered


def _node(stored: StoredNode.Node) -> _StoredNode:
    return _StoredNode(
        _text(stored.OpType()),
        _names(stored.Inputs, stored.InputsLength()),
        _names(stored.Outputs, stored.OutputsLength()),
        _text(stored.Domain()),
        tuple(stored.Attributes(place) for place in range(stored.AttributesLength())),
    )


def _inputs(stored: StoredGraph.Graph) -> tuple[tuple[str, int], ...]:
    arguments = [stored.NodeArgs(place) for place in range(stored.NodeArgsLength())]
    types = {_text(argument.Name()): argument.Type() for argument in arguments}
    return tuple((name, _element_type(types[name])) for name in _names(stored.Inputs, stored.InputsLength()))


def _element_type(stored: TypeInfo.TypeInfo) -> int:
    value = stored.Value()
    described = TensorTypeAndShape()
    described.Init(value.Bytes, value.Pos)
    return int(described.ElemType())


def _tensor(stored: StoredTensor.Tensor) -> Tensor:
    shape = tuple(int(stored.Dims(place)) for place in range(stored.DimsLength()))
    raw = b"" if stored.RawDataIsNone() else stored.RawDataAsNumpy().tobytes()
    return Tensor(_text(stored.Name()), int(stored.DataType()), shape, raw)


def _numbers(tensor: Tensor) -> Float32:
    return np.frombuffer(tensor.raw, _DTYPES[tensor.data_type]).reshape(tensor.shape).astype(np.float32)


def _names(name: Callable[[int], bytes], count: int) -> tuple[str, ...]:
    return tuple(_text(name(place)) for place in range(count))


def _text(stored: bytes | None) -> str:
    return stored.decode() if stored else ""
