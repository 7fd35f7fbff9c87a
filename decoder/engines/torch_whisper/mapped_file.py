"""Tensors of a file that is mapped into memory, not read."""

import math
import mmap
from pathlib import Path

import torch
from torch import Tensor

from decoder.types import ModelError

__all__ = ["MappedFile"]

MAX_RANK = 3
"""Of a convolution's weight; no tensor of Whisper has more dimensions."""


class MappedFile:
    """A file of weights. Its tensors share the file's pages, which the system loads when they are first read.

    Attributes:
        path: of the file.
        size_bytes: of the file.
    """

    def __init__(self, path: Path) -> None:
        """Map a file.

        Raises:
            ModelError: it cannot be opened, or is empty.
        """
        self.path = path
        try:
            with path.open("rb") as file:
                # Copied on write: torch warns of memory that it may not write to.
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:
            raise ModelError(f"{path} cannot be read: {error}") from error
        self.size_bytes = len(self._bytes)

    def read(self, start: int, count: int) -> bytes:
        """Return bytes of the file.

        Args:
            start: of the first, ≥ 0.
            count: how many, ≥ 0.

        Raises:
            ModelError: the file ends before the last of them.
        """
        self._check_end(f"a part of {count} bytes", start + count)
        return self._bytes[start : start + count]

    def tensor(self, name: str, dtype: torch.dtype, shape: tuple[int, ...], span: tuple[int, int]) -> Tensor:
        """Return a tensor of the file, little-endian and row-major in it.

        Args:
            name: of the tensor, for errors.
            dtype: of its numbers.
            shape: of the tensor.
            span: its first byte, and one past its last.

        Raises:
            ModelError: shape and size contradict each other, or the file ends before the tensor does.
        """
        start, end = span
        if len(shape) > MAX_RANK or min(shape, default=1) < 1:
            raise ModelError(
                f"{self.path}: {name} has the shape {list(shape)}: expected at most {MAX_RANK} dimensions, each ≥ 1"
            )
        expected = math.prod(shape) * dtype.itemsize
        if start < 0 or end - start != expected:
            raise ModelError(f"{self.path}: {name} has bytes {start}–{end}: expected {expected} bytes")
        self._check_end(name, end)
        stored = torch.frombuffer(self._bytes, dtype=torch.uint8, count=expected, offset=start)
        aligned = stored if start % dtype.itemsize == 0 else stored.clone()
        return aligned.view(dtype).view(shape)

    def _check_end(self, what: str, end: int) -> None:
        if end > self.size_bytes:
            raise ModelError(f"{self.path} is incomplete: {what} ends at byte {end}, the file at {self.size_bytes}")
