"""CTranslate2's binary of a model: names, shapes, types and bytes, one variable after the other.

    u32 version | str spec | u32 revision
    u32 count   | (str name | u8 rank | u32 size, per dimension | u8 type | u32 bytes | the bytes) per variable
    u32 count   | (str alias | str name) per alias

All little-endian; a str is a u16 length that counts the closing zero, UTF-8 and that zero (CTranslate2,
`python/ctranslate2/specs/model_spec.py`, `ModelSpec._serialize`).
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from decoder.engines.torch_whisper.mapped_file import MappedFile
from decoder.types import ModelError

__all__ = ["ModelBin", "Variable"]

VERSION = 6
"""Of the binary; all converters since 2022 write it."""

SPEC, REVISION = "WhisperSpec", 3

_TYPES = (torch.float32, torch.int8, torch.int16, torch.int32, torch.float16, torch.bfloat16)
"""By the number that the file has for them: `DataType` of CTranslate2's `types.h`."""

_FLOATS = (torch.float32, torch.float16, torch.bfloat16)
_QUANTISED = (torch.int8, torch.int16)
_SCALE = "_scale"
_UNQUANTISED = "decoder/layer_norm/gamma"
"""A variable that is never quantised; its type is the one to dequantise to, float16 say in a file of int8_float16."""


@dataclass(frozen=True, slots=True)
class Variable:
    """Where a variable lies in the file.

    Attributes:
        dtype: of its numbers.
        shape: empty for an attribute of the model, such as the number of heads.
        span: its first byte, and one past its last.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    span: tuple[int, int]


class ModelBin:
    """A `model.bin` of a Whisper.

    Attributes:
        variables: by name; those of aliases are the very ones of the names that they stand for.
        aliases: alias → name.
    """

    def __init__(self, path: Path) -> None:
        """Map the file, and read what it says about its variables.

        Raises:
            ModelError: the file is incomplete, or no Whisper of a known version.
        """
        self._file = MappedFile(path)
        cursor = _Cursor(self._file)
        version, spec, revision = cursor.number("<I"), cursor.text(), cursor.number("<I")
        if (version, spec, revision) != (VERSION, SPEC, REVISION):
            raise ModelError(
                f"{path} is {spec!r}, revision {revision}, in version {version} of CTranslate2's format: "
                f"expected {SPEC!r}, revision {REVISION}, in version {VERSION}"
            )
        self.variables: dict[str, Variable] = {}
        for _ in range(cursor.number("<I")):
            name = cursor.text()
            self.variables[name] = cursor.variable(name)
        self.aliases = {cursor.text(): cursor.text() for _ in range(cursor.number("<I"))}
        for alias, name in self.aliases.items():
            if name not in self.variables:
                raise ModelError(f"{path}: {alias!r} stands for {name!r}, which is not in the file")
            self.variables[alias] = self.variables[name]
            if name + _SCALE in self.variables:
                self.variables[alias + _SCALE] = self.variables[name + _SCALE]

    def is_scale(self, name: str) -> bool:
        """Whether a variable is the scale of a quantised one, and no weight by itself."""
        return name.endswith(_SCALE) and name.removesuffix(_SCALE) in self.variables

    def attribute(self, name: str) -> int:
        """Return an attribute of the model.

        Raises:
            ModelError: there is none, or it is no whole number.
        """
        variable = self.variables.get(name)
        if variable is None or variable.shape or variable.dtype in _FLOATS:
            raise ModelError(f"{self._file.path} has no number {name!r}")
        return int(self._stored(name).item())

    def weight(self, name: str) -> Tensor:
        """Return a weight, dequantised if it is quantised.

        Raises:
            ModelError: it is stored in a way that is not known, or not wholly in the file.
        """
        stored = self._stored(name)
        if stored.dtype in _FLOATS:
            return stored
        if stored.dtype not in _QUANTISED:
            raise ModelError(
                f"{self._file.path}: {name} is stored as {_name(stored.dtype)}: expected "
                f"{', '.join(map(_name, (*_FLOATS, *_QUANTISED)))}"
            )
        # CTranslate2 stores round(weight * scale), with a scale per row (int8) or one for all rows (int16).
        return stored.float().div_(self._scale(name, stored)).to(self._unquantised_type())

    def _scale(self, name: str, stored: Tensor) -> Tensor:
        if name + _SCALE not in self.variables:
            raise ModelError(f"{self._file.path}: {name} is stored as {_name(stored.dtype)}, and has no scale")
        scale = self._stored(name + _SCALE)
        if scale.dtype not in _FLOATS or scale.numel() not in (1, len(stored)):
            raise ModelError(
                f"{self._file.path}: the scale of {name} is {_name(scale.dtype)}{list(scale.shape)}: "
                f"expected float32, one number or {len(stored)}"
            )
        if not bool((scale.isfinite() & (scale > 0)).all()):
            raise ModelError(f"{self._file.path}: the scale of {name} has numbers that are not positive")
        return scale.float().view(-1, *[1] * (stored.dim() - 1))

    def _unquantised_type(self) -> torch.dtype:
        variable = self.variables.get(_UNQUANTISED)
        return variable.dtype if variable is not None and variable.dtype in _FLOATS else torch.float32

    def _stored(self, name: str) -> Tensor:
        variable = self.variables[name]
        return self._file.tensor(name, variable.dtype, variable.shape, variable.span)


class _Cursor:
    """Reads a file from its beginning on."""

    def __init__(self, file: MappedFile) -> None:
        self._file = file
        self._at = 0

    def number(self, layout: str) -> int:
        size = struct.calcsize(layout)
        (number,) = struct.unpack(layout, self._file.read(self._at, size))
        self._at += size
        assert isinstance(number, int)
        return number

    def text(self) -> str:
        length = self.number("<H")
        stored = self._file.read(self._at, length)
        self._at += length
        try:
            return stored.removesuffix(b"\0").decode()
        except UnicodeDecodeError as error:
            raise ModelError(f"{self._file.path}: a name is not UTF-8: {error}") from error

    def variable(self, name: str) -> Variable:
        shape = tuple(self.number("<I") for _ in range(self.number("<B")))
        kind = self.number("<B")
        if kind >= len(_TYPES):
            raise ModelError(f"{self._file.path}: {name!r} is of type {kind}: expected 0–{len(_TYPES) - 1}")
        size_bytes = self.number("<I")
        span = (self._at, self._at + size_bytes)
        self._at += size_bytes
        return Variable(_TYPES[kind], shape, span)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
