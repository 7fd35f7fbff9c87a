"""A Whisper in CTranslate2's format, under Hugging Face's names.

CTranslate2 has the projections of queries, keys and values in one matrix, or those of keys and values; they are its
rows, in that order.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from torch import Tensor

from decoder.engines.torch_whisper.dims import Dims
from decoder.engines.torch_whisper.json_file import read_json
from decoder.engines.torch_whisper.model_bin import ModelBin
from decoder.engines.torch_whisper.stored_model import StoredModel, made_dims
from decoder.types import ModelError

__all__ = ["BINARY", "read_ctranslate2"]

BINARY = "model.bin"

_MODULES: dict[str, tuple[str, ...]] = {
    "conv1": ("conv1",),
    "conv2": ("conv2",),
    "embeddings": ("embed_tokens",),
    "position_encodings": ("embed_positions",),
    "layer_norm": ("layer_norm",),
    "self_attention/layer_norm": ("self_attn_layer_norm",),
    "self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention/linear_1": ("self_attn.out_proj",),
    "attention/layer_norm": ("encoder_attn_layer_norm",),
    "attention/linear_0": ("encoder_attn.q_proj",),
    "attention/linear_1": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
    "attention/linear_2": ("encoder_attn.out_proj",),
    "ffn/layer_norm": ("final_layer_norm",),
    "ffn/linear_0": ("fc1",),
    "ffn/linear_1": ("fc2",),
}
"""CTranslate2's module → those of Hugging Face whose rows it has."""

_PARAMETERS = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "encodings": "weight"}

_NAME = re.compile(r"(?P<side>encoder|decoder)/(?:layer_(?P<layer>\d{1,4})/)?(?P<module>.+)/(?P<parameter>\w+)")

_OUTPUT = "decoder/projection/weight"
_EMBEDDINGS = "decoder/embeddings/weight"
_CONVOLUTION = "encoder/conv1/weight"


class _Config(msgspec.Struct):
    alignment_heads: tuple[tuple[int, int], ...] | None = None


def read_ctranslate2(directory: Path) -> StoredModel:
    """Return the model of a directory.

    Raises:
        ModelError: the files are damaged, or of a kind that is not known.
    """
    path = directory / BINARY
    stored = ModelBin(path)
    dims = made_dims(path, lambda: _dims(stored, path))
    config = directory / "config.json"
    heads = read_json(config, _Config).alignment_heads if config.is_file() else None
    return StoredModel(path, dims, dict(_tensors(stored)), heads)


def _dims(stored: ModelBin, path: Path) -> Dims:
    width, mels, _ = _shape(stored, path, _CONVOLUTION, 3)
    heads = {stored.attribute(f"{side}/num_heads") for side in ("encoder", "decoder")}
    if len(heads) > 1:
        raise ValueError(f"encoder and decoder have {' and '.join(map(str, sorted(heads)))} heads: expected as many")
    return Dims(
        mels=mels,
        width=width,
        heads=heads.pop(),
        encoder_layers=_layers(stored, "encoder"),
        decoder_layers=_layers(stored, "decoder"),
        vocabulary=_shape(stored, path, _EMBEDDINGS, 2)[0],
        audio_positions=_shape(stored, path, "encoder/position_encodings/encodings", 2)[0],
        text_positions=_shape(stored, path, "decoder/position_encodings/encodings", 2)[0],
    )


def _shape(stored: ModelBin, path: Path, name: str, rank: int) -> tuple[int, ...]:
    variable = stored.variables.get(name)
    if variable is None or len(variable.shape) != rank:
        raise ModelError(f"{path} has no {name} of {rank} dimensions")
    return variable.shape


def _layers(stored: ModelBin, side: str) -> int:
    found = (_NAME.fullmatch(name) for name in stored.variables)
    return len({match["layer"] for match in found if match and match["side"] == side and match["layer"]})


def _tensors(stored: ModelBin) -> Iterator[tuple[str, Tensor]]:
    for name, variable in stored.variables.items():
        is_tied = name == _OUTPUT and stored.aliases.get(name) == _EMBEDDINGS
        if variable.shape and not stored.is_scale(name) and not is_tied:
            names = _renamed(name)
            parts = stored.weight(name).tensor_split(len(names))
            yield from ((new, part) for new, part in zip(names, parts, strict=True) if not new.endswith("k_proj.bias"))


def _renamed(name: str) -> tuple[str, ...]:
    """Return the names of the tensors whose rows a variable has; its own if it is none of Whisper's."""
    match = _NAME.fullmatch(name)
    if match is None or match["module"] not in _MODULES or match["parameter"] not in _PARAMETERS:
        return (name,)
    layer = "" if match["layer"] is None else f"layers.{match['layer']}."
    parameter = _PARAMETERS[match["parameter"]]
    return tuple(f"{match['side']}.{layer}{module}.{parameter}" for module in _MODULES[match["module"]])
