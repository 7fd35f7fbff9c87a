"""PURE: encodes ONNX models, field by field. The `onnx` package would be 20 MB for these few lines.

The field numbers are from onnx.proto; the encoding is https://protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

__all__ = ["FLOAT", "INT64", "AttributeType", "Node", "OnnxGraph", "Tensor", "attribute_bytes", "model_bytes"]

FLOAT, INT64 = 1, 7
"""TensorProto.DataType of float32 and int64."""

_VARINT, _LENGTH, _FIXED32 = 0, 2, 5
_LOW_BITS = 0x7F
_UINT64 = (1 << 64) - 1


class AttributeType(IntEnum):
    """The type of an attribute, AttributeProto.AttributeType."""

    FLOAT = 1
    INT = 2
    INTS = 7


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A constant.

    Attributes:
        name: unique in its graph; empty if it is the value of an attribute.
        data_type: TensorProto.DataType.
        shape: sizes of its dimensions.
        raw: its elements, little-endian, row by row.
    """

    name: str
    data_type: int
    shape: tuple[int, ...]
    raw: bytes

    @classmethod
    def of_floats(cls, name: str, values: npt.NDArray[np.float32]) -> "Tensor":
        """Return a tensor of float32."""
        return cls(name, FLOAT, values.shape, values.astype("<f4").tobytes())

    @classmethod
    def of_integers(cls, name: str, values: Sequence[int]) -> "Tensor":
        """Return a vector of int64."""
        return cls(name, INT64, (len(values),), np.array(values, "<i8").tobytes())

    def encoded(self) -> bytes:
        """Return its TensorProto."""
        dimensions = b"".join(_integer(1, size) for size in self.shape)
        return dimensions + _integer(2, self.data_type) + _piece(8, self.name) + _piece(9, self.raw)


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    Attributes:
        op: its operator.
        inputs: names of its inputs; empty for an omitted one.
        outputs: names of its outputs.
        domain: of the operator; empty: ONNX's own.
        attributes: AttributeProto messages.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    domain: str = ""
    attributes: tuple[bytes, ...] = ()

    def encoded(self) -> bytes:
        """Return its NodeProto."""
        names = [_piece(1, name) for name in self.inputs] + [_piece(2, name) for name in self.outputs]
        attributes = [_piece(5, attribute) for attribute in self.attributes]
        return b"".join([*names, _piece(4, self.op), *attributes, _piece(7, self.domain)])


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """A graph of operations.

    Attributes:
        nodes: in topological order.
        constants: of the graph.
        inputs: names and TensorProto.DataType.
        outputs: names; all are float32.
    """

    nodes: tuple[Node, ...]
    constants: tuple[Tensor, ...]
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[str, ...]

    def encoded(self) -> bytes:
        """Return its GraphProto."""
        parts = [_piece(1, node.encoded()) for node in self.nodes]
        parts.append(_piece(2, "graph"))
        parts += [_piece(5, constant.encoded()) for constant in self.constants]
        parts += [_piece(11, _value(name, data_type)) for name, data_type in self.inputs]
        parts += [_piece(12, _value(name, FLOAT)) for name in self.outputs]
        return b"".join(parts)


def attribute_bytes(name: str, kind: AttributeType, values: Iterable[int | float]) -> bytes:
    """Return an AttributeProto.

    Args:
        name: of the attribute.
        kind: its type.
        values: one value, or several if `kind` is a list.
    """
    # the field of AttributeProto for each type; lists and single values have different fields
    field = {AttributeType.FLOAT: 2, AttributeType.INT: 3, AttributeType.INTS: 8}[kind]
    encoded = b"".join(_field(field, value) for value in values)
    return _piece(1, name) + encoded + _integer(20, kind)


def model_bytes(graph: OnnxGraph, ir_version: int, operator_sets: Iterable[tuple[str, int]]) -> bytes:
    """Return a ModelProto.

    Args:
        graph: the computation.
        ir_version: version of the format.
        operator_sets: domain and version of each operator set.
    """
    sets = [_piece(8, _piece(1, domain) + _integer(2, version)) for domain, version in operator_sets]
    return b"".join([_integer(1, ir_version), *sets, _piece(7, graph.encoded())])


def _value(name: str, data_type: int) -> bytes:
    return _piece(1, name) + _piece(2, _piece(1, _integer(1, data_type)))


def _field(field: int, value: int | float) -> bytes:
    return _integer(field, value) if isinstance(value, int) else _key(field, _FIXED32) + struct.pack("<f", value)


def _piece(field: int, content: str | bytes) -> bytes:
    encoded = content.encode() if isinstance(content, str) else content
    return _key(field, _LENGTH) + _varint(len(encoded)) + encoded


def _integer(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(value)


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint(value: int) -> bytes:
    value &= _UINT64
    encoded = bytearray()
    while value > _LOW_BITS:
        encoded.append(value & _LOW_BITS | _LOW_BITS + 1)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
