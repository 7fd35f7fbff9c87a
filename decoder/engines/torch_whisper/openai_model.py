"""A Whisper in OpenAI's own format, a `.pt` of sizes and tensors, under Hugging Face's names."""

import re
import struct
import warnings
import zipfile
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from decoder.engines.torch_whisper.dims import Dims
from decoder.engines.torch_whisper.stored_model import StoredModel, made_dims
from decoder.types import ModelError

__all__ = ["read_openai"]

_DIMS = {
    "n_mels": "mels",
    "n_audio_state": "width",
    "n_audio_head": "heads",
    "n_audio_layer": "encoder_layers",
    "n_text_layer": "decoder_layers",
    "n_vocab": "vocabulary",
    "n_audio_ctx": "audio_positions",
    "n_text_ctx": "text_positions",
}
_AGREEING = {"n_text_state": "n_audio_state", "n_text_head": "n_audio_head"}
"""Sizes of the decoder that are those of the encoder in every Whisper."""

_RULES = (
    (r"\.blocks\.", ".layers."),
    (r"\.cross_attn_ln\.", ".encoder_attn_layer_norm."),
    (r"\.cross_attn\.", ".encoder_attn."),
    (r"\.attn_ln\.", ".self_attn_layer_norm."),
    (r"\.attn\.", ".self_attn."),
    (r"\.query\.", ".q_proj."),
    (r"\.key\.", ".k_proj."),
    (r"\.value\.", ".v_proj."),
    (r"\.out\.", ".out_proj."),
    (r"\.mlp_ln\.", ".final_layer_norm."),
    (r"\.mlp\.0\.", ".fc1."),
    (r"\.mlp\.2\.", ".fc2."),
    (r"\.(ln_post|ln)\.", ".layer_norm."),
    (r"\.token_embedding\.", ".embed_tokens."),
    (r"\.positional_embedding$", ".embed_positions.weight"),
)
"""OpenAI's name → Hugging Face's, all rules in this order."""

_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What torch raises for damaged archives, besides what its unpickler does."""


def read_openai(path: Path) -> StoredModel:
    """Return the model of a file.

    Args:
        path: of a `.pt`, as torch has saved them since 1.6. Nothing that it has may be code.

    Raises:
        ModelError: the file is damaged, of a kind that is not known, or has more than tensors and plain values.
    """
    saved = _load(path)
    if not isinstance(saved, dict) or not {"dims", "model_state_dict"} <= saved.keys():
        raise ModelError(f"{path} is no Whisper of OpenAI: expected dims and model_state_dict")
    sizes, tensors = saved["dims"], saved["model_state_dict"]
    if not isinstance(sizes, dict) or not all(type(sizes.get(name)) is int for name in (*_DIMS, *_AGREEING)):
        raise ModelError(f"{path}: dims are {sizes}: expected whole numbers for {', '.join((*_DIMS, *_AGREEING))}")
    if not isinstance(tensors, dict):
        raise ModelError(f"{path}: model_state_dict is {type(tensors).__name__}: expected tensors by name")
    return StoredModel(path, made_dims(path, lambda: _dims(sizes)), _tensors(path, tensors))


def _load(path: Path) -> object:
    _check_archive(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of files that another version of pickle wrote
            loaded: object = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except UnpicklingError as error:
        raise ModelError(f"{path} is refused: it is damaged, or has code: expected tensors and plain values") from error
    except _DAMAGE as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    return loaded


def _check_archive(path: Path) -> None:
    """Check that no part of the archive takes more memory than the file has bytes; torch compresses none of them."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
        size_bytes = path.stat().st_size
    except (zipfile.BadZipFile, *_DAMAGE) as error:
        raise ModelError(f"{path} is no archive as torch ≥ 1.6 saves them, or is damaged: {error}") from error
    for part in parts:
        if part.compress_type != zipfile.ZIP_STORED or part.file_size > size_bytes:
            raise ModelError(
                f"{path} has a compressed part, {part.filename!r} of {part.file_size} bytes: expected none"
            )


def _dims(sizes: dict[str, int]) -> Dims:
    for name, other in _AGREEING.items():
        if sizes[name] != sizes[other]:
            raise ValueError(f"{name} is {sizes[name]}: expected {sizes[other]} as {other}")
    return Dims(**{ours: sizes[name] for name, ours in _DIMS.items()})


def _tensors(path: Path, stored: dict[object, object]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ModelError(
                f"{path}: model_state_dict has {name!r}, {type(tensor).__name__}: expected tensors by name"
            )
        tensors[_renamed(name)] = tensor.detach()
    return tensors


def _renamed(name: str) -> str:
    for pattern, replacement in _RULES:
        name = re.sub(pattern, replacement, name)
    return name
