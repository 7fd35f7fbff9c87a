"""A Whisper in Hugging Face's format: `config.json`, and safetensors in one file or in several with an index."""

from pathlib import Path

import msgspec
from torch import Tensor

from decoder.engines.torch_whisper.dims import Dims
from decoder.engines.torch_whisper.json_file import read_json
from decoder.engines.torch_whisper.safetensors_file import read_safetensors
from decoder.engines.torch_whisper.stored_model import StoredModel, made_dims
from decoder.types import ModelError

__all__ = ["INDEX", "WEIGHTS", "read_hugging_face"]

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

_PREFIX = "model."
_OUTPUT = "proj_out.weight"
"""The matrix of the output, a copy of the embedding where it is stored at all."""


class _Config(msgspec.Struct):
    num_mel_bins: int
    d_model: int
    encoder_attention_heads: int
    decoder_attention_heads: int
    encoder_layers: int
    decoder_layers: int
    vocab_size: int
    max_source_positions: int = 1500
    max_target_positions: int = 448
    model_type: str = "whisper"
    activation_function: str = "gelu"
    scale_embedding: bool = False
    tie_word_embeddings: bool = True


class _GenerationConfig(msgspec.Struct):
    alignment_heads: tuple[tuple[int, int], ...] | None = None


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


def read_hugging_face(directory: Path) -> StoredModel:
    """Return the model of a directory.

    Raises:
        ModelError: the files are damaged, or of a kind that is not known.
    """
    path = directory / "config.json"
    config = read_json(path, _Config)
    dims = made_dims(path, lambda: _dims(config))
    generation = directory / "generation_config.json"
    heads = read_json(generation, _GenerationConfig).alignment_heads if generation.is_file() else None
    whole = directory / WEIGHTS
    tensors = read_safetensors(whole) if whole.is_file() else _sharded(directory / INDEX)
    named = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items() if name != _OUTPUT}
    return StoredModel(whole if whole.is_file() else directory / INDEX, dims, named, heads)


def _dims(config: _Config) -> Dims:
    kind = (config.model_type, config.activation_function, config.scale_embedding, config.tie_word_embeddings)
    if kind != ("whisper", "gelu", False, True):
        raise ValueError(
            f"model_type, activation_function, scale_embedding, tie_word_embeddings are {', '.join(map(str, kind))}: "
            "expected whisper, gelu, False, True"
        )
    if config.encoder_attention_heads != config.decoder_attention_heads:
        raise ValueError(
            f"encoder and decoder have {config.encoder_attention_heads} and {config.decoder_attention_heads} heads: "
            "expected as many"
        )
    return Dims(
        mels=config.num_mel_bins,
        width=config.d_model,
        heads=config.encoder_attention_heads,
        encoder_layers=config.encoder_layers,
        decoder_layers=config.decoder_layers,
        vocabulary=config.vocab_size,
        audio_positions=config.max_source_positions,
        text_positions=config.max_target_positions,
    )


def _sharded(path: Path) -> dict[str, Tensor]:
    shard_of = read_json(path, _Index).weight_map
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(shard_of.values())):
        if "\0" in shard or "\\" in shard or Path(shard).name != shard or not shard:
            raise ModelError(f"{path} names the file {shard!r}: expected one of its own directory")
        tensors |= read_safetensors(path.with_name(shard))
    absent = [name for name in shard_of if name not in tensors]
    if absent:
        raise ModelError(f"{path}: {absent[0]} is not in {shard_of[absent[0]]}, nor in another of its files")
    return tensors
