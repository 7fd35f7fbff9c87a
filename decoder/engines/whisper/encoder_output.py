"""Join and split the encoder outputs of several windows with as few copies as possible."""

from collections.abc import Sequence
from dataclasses import dataclass

import ctranslate2
import numpy as np

from decoder.whisper.network import Encoded
from vad.audio import Float32

__all__ = ["EncoderRow", "joined", "to_array"]


@dataclass(frozen=True, slots=True, eq=False)
class EncoderRow(Encoded):
    """One window in an encoder output.

    Attributes:
        output: float[windows, positions, width].
        row: index of the window.
    """

    output: ctranslate2.StorageView
    row: int


class _Rows:
    """Rows of an encoder output, sharing its memory on CPU and GPU, as `StorageView.from_array` takes them."""

    def __init__(self, encoded: ctranslate2.StorageView, first: int, end: int) -> None:
        self._owner = encoded  # frees the memory
        on_gpu = encoded.device == "cuda"
        interface = dict(encoded.__cuda_array_interface__ if on_gpu else encoded.__array_interface__)
        address, read_only = interface["data"]
        row_bytes = int(np.prod(encoded.shape[1:])) * np.dtype(interface["typestr"]).itemsize
        interface |= {"data": (address + first * row_bytes, read_only), "shape": (end - first, *encoded.shape[1:])}
        if on_gpu:
            self.__cuda_array_interface__ = interface
        else:
            self.__array_interface__ = interface


def to_array(output: ctranslate2.StorageView) -> Float32:
    """Return a copy of an encoder output, float32[windows, positions, width], in host memory."""
    return np.array(output.to(ctranslate2.DataType.float32).to_device(ctranslate2.Device.cpu))


def joined(encoded: Sequence[Encoded]) -> ctranslate2.StorageView:
    """Return the windows as one encoder output: a view of their rows if these are adjacent, else a copy."""
    windows = [window for window in encoded if isinstance(window, EncoderRow)]
    assert len(windows) == len(encoded), "expected windows of this network"
    output, first, end = windows[0].output, windows[0].row, windows[-1].row + 1
    if not all(window.output is output and window.row == first + place for place, window in enumerate(windows)):
        return ctranslate2.StorageView.from_array(np.concatenate([to_array(joined([window])) for window in windows]))
    if (first, end) == (0, output.shape[0]):
        return output
    if output.dtype == ctranslate2.DataType.bfloat16:  # not supported by the array interface
        output = output.to(ctranslate2.DataType.float32)
    return ctranslate2.StorageView.from_array(_Rows(output, first, end))
