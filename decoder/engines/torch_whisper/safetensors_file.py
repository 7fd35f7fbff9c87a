"""The safetensors format: u64 length of the header, a JSON header, and the tensors' bytes one after the other.

The header is `{"name": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}, …}`, offsets from the header's end
on, and may have an entry "__metadata__" (https://huggingface.co/docs/safetensors).
"""

import struct
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from decoder.engines.torch_whisper.json_file import decoded
from decoder.engines.torch_whisper.mapped_file import MappedFile
from decoder.types import ModelError

__all__ = ["read_safetensors"]

MAX_HEADER_BYTES = 100_000_000
"""As in the library of the format."""

_LENGTH = struct.Struct("<Q")
_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class _Entry(msgspec.Struct):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file, by name. They share its pages, and are read when they are first used.

    Raises:
        ModelError: the file is damaged, or has tensors of other types than F32, F16 and BF16.
    """
    file = MappedFile(path)
    (header_bytes,) = _LENGTH.unpack(file.read(0, _LENGTH.size))
    if header_bytes > MAX_HEADER_BYTES:
        raise ModelError(f"{path} has a header of {header_bytes} bytes: expected at most {MAX_HEADER_BYTES}")
    header = decoded(file.read(_LENGTH.size, header_bytes), dict[str, msgspec.Raw], path)
    header.pop("__metadata__", None)
    start = _LENGTH.size + header_bytes
    return {name: _tensor(file, name, decoded(bytes(entry), _Entry, path), start) for name, entry in header.items()}


def _tensor(file: MappedFile, name: str, entry: _Entry, start: int) -> Tensor:
    if entry.dtype not in _DTYPES:
        raise ModelError(f"{file.path}: {name} is stored as {entry.dtype}: expected {', '.join(_DTYPES)}")
    first, last = entry.data_offsets
    if first < 0:
        raise ModelError(f"{file.path}: {name} begins at offset {first}: expected ≥ 0")
    return file.tensor(name, _DTYPES[entry.dtype], entry.shape, (start + first, start + last))
