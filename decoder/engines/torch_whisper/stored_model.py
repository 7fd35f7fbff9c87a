"""A model as its files have it, whatever their format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from decoder.engines.torch_whisper.dims import Dims, tensor_shapes
from decoder.types import ModelError

__all__ = ["StoredModel", "check_model", "made_dims"]

NAMED = 3
"""How many tensors of a kind an error names; a model of another architecture lacks hundreds."""

FLOATS = (torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True, slots=True, eq=False)
class StoredModel:
    """What the files of a model have.

    Attributes:
        path: of the file of weights, for errors.
        dims: as the files give them.
        tensors: by Hugging Face's names without the leading "model."; not yet checked.
        alignment_heads: (layer, head) of the decoder; None if the files give none.
    """

    path: Path
    dims: Dims
    tensors: dict[str, Tensor]
    alignment_heads: tuple[tuple[int, int], ...] | None = None


def made_dims(path: Path, make: Callable[[], Dims]) -> Dims:
    """Return the sizes that `make` returns.

    Raises:
        ModelError: no Whisper has such sizes; names the file.
    """
    try:
        return make()
    except ValueError as error:
        raise ModelError(f"{path} is no Whisper: {error}") from error


def check_model(model: StoredModel) -> None:
    """Check that a model has the tensors and the heads of a Whisper of its sizes, and no others.

    Raises:
        ModelError: it does not; names the first few that are wrong.
    """
    shapes = tensor_shapes(model.dims)
    faults = {
        "missing": [name for name in shapes if name not in model.tensors],
        "unexpected": [name for name in model.tensors if name not in shapes],
        "wrong": [
            f"{name} is {_described(tensor)}, expected floats of {list(shapes[name])}"
            for name, tensor in model.tensors.items()
            if name in shapes and not _fits(tensor, shapes[name])
        ],
    }
    found = "; ".join(f"{kind}: {_first(names)}" for kind, names in faults.items() if names)
    if found:
        raise ModelError(f"{model.path} does not have the tensors of a Whisper of its sizes: {found}")
    for layer, head in model.alignment_heads or ():
        if not (0 <= layer < model.dims.decoder_layers and 0 <= head < model.dims.heads):
            raise ModelError(
                f"{model.path}: alignment head {head} of layer {layer}: expected layers "
                f"0–{model.dims.decoder_layers - 1}, heads 0–{model.dims.heads - 1}"
            )


def _fits(tensor: Tensor, shape: tuple[int, ...]) -> bool:
    is_plain = tensor.layout is torch.strided and tensor.device.type == "cpu"
    return is_plain and tensor.dtype in FLOATS and tuple(tensor.shape) == shape


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def _first(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
