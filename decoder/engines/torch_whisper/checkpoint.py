"""The weights of a Whisper, read from any of the formats that they come in, or drawn at random."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from decoder.engines.torch_whisper.alignment_heads import alignment_heads
from decoder.engines.torch_whisper.ctranslate2_model import BINARY, read_ctranslate2
from decoder.engines.torch_whisper.dims import Dims, tensor_shapes
from decoder.engines.torch_whisper.hugging_face_model import INDEX, WEIGHTS, read_hugging_face
from decoder.engines.torch_whisper.openai_model import read_openai
from decoder.engines.torch_whisper.stored_model import StoredModel, check_model
from decoder.types import ModelError

__all__ = ["Checkpoint", "random_checkpoint", "read_checkpoint"]

MULTILINGUAL_VOCABULARY = 51_865
"""Tokens of the smallest vocabulary with languages; the English one has 51 864 (openai/whisper, `is_multilingual`)."""

DRAWN = 4_194_301
"""Random numbers that all random tensors are cut from: to draw each of 1.5 billion takes a minute. It is a prime, so
that no row of a matrix is another's."""

FORMATS = f"{WEIGHTS}, {INDEX}, {BINARY}, or one *.pt"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The weights of a Whisper, and what comes with them.

    Attributes:
        dims: its sizes.
        tensors: by Hugging Face's names without the leading "model.", such as
            "encoder.layers.0.self_attn.q_proj.weight"; on the CPU, in the type that they are stored in. Keys have no
            bias; the matrix of the output is "decoder.embed_tokens.weight".
        alignment_heads: (layer, head) of the decoder whose attention follows the audio.
        is_multilingual: whether it writes other languages than English.
    """

    dims: Dims
    tensors: Mapping[str, Tensor]
    alignment_heads: tuple[tuple[int, int], ...]
    is_multilingual: bool


def read_checkpoint(directory: Path) -> Checkpoint:
    """Return the weights of a model. Tensors are mapped rather than read, where the format allows it.

    Args:
        directory: with Hugging Face's files, CTranslate2's or one of OpenAI's (the first of these that it has), or
            OpenAI's file itself.

    Raises:
        ModelError: there is no model in a known format, or it is damaged.
    """
    model = _read(directory)
    check_model(model)
    return _checkpoint(model)


def _read(directory: Path) -> StoredModel:
    if directory.is_file():
        return read_openai(directory)
    if not directory.is_dir():
        raise ModelError(f"{directory} does not exist: expected a directory with {FORMATS}")
    if any((directory / name).is_file() for name in (WEIGHTS, INDEX)):
        return read_hugging_face(directory)
    if (directory / BINARY).is_file():
        return read_ctranslate2(directory)
    saved = sorted(directory.glob("*.pt"))
    if len(saved) != 1:
        found = f"{len(saved)} *.pt" if saved else "no weights of Whisper"
        raise ModelError(f"{directory} has {found}: expected {FORMATS}")
    return read_openai(saved[0])


def random_checkpoint(dims: Dims, seed: int = 0) -> Checkpoint:
    """Return random weights, to time a model of these sizes. Its text means nothing.

    Args:
        dims: its sizes.
        seed: of the weights; the same seed gives the same.

    Returns:
        float16 tensors, scaled so that activations stay in float16's range however many layers there are.
    """
    random = torch.Generator().manual_seed(seed)
    normal = torch.randn(DRAWN, generator=random).half()
    depth = {"encoder": dims.encoder_layers, "decoder": dims.decoder_layers}
    tensors: dict[str, Tensor] = {}
    for name, shape in tensor_shapes(dims).items():
        start = int(torch.randint(DRAWN, (), generator=random))
        tensors[name] = _random_tensor(name, shape, depth[name.partition(".")[0]], normal, start)
    return _checkpoint(StoredModel(Path("random"), dims, tensors))


def _random_tensor(name: str, shape: tuple[int, ...], layers: int, normal: Tensor, start: int) -> Tensor:
    if name.endswith(".bias"):
        return torch.zeros(shape, dtype=torch.float16)
    if name.endswith("layer_norm.weight"):
        return torch.ones(shape, dtype=torch.float16)
    end = start + math.prod(shape)
    # What a layer adds to its input shrinks with the depth, so that the sum of all layers does not grow with it.
    branches = layers if name.endswith(("out_proj.weight", "fc2.weight")) else 1
    scale = (math.prod(shape[1:]) * branches) ** -0.5
    return normal.repeat(math.ceil(end / DRAWN))[start:end].mul(scale).view(shape)


def _checkpoint(model: StoredModel) -> Checkpoint:
    dims = model.dims
    is_multilingual = dims.vocabulary >= MULTILINGUAL_VOCABULARY
    return Checkpoint(dims, model.tensors, model.alignment_heads or alignment_heads(dims), is_multilingual)
