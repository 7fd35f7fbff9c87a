"""Small checkpoints of Whisper with random weights, and the three formats that they are written in."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from ctranslate2.specs import attention_spec, common_spec, whisper_spec
from torch import Tensor

from decoder.engines.torch_whisper.dims import Dims, tensor_shapes

__all__ = [
    "DIMS",
    "HEADS",
    "random_tensors",
    "safetensors",
    "write_ctranslate2",
    "write_hugging_face",
    "write_openai",
]

DIMS = Dims(
    mels=5,
    width=8,
    heads=2,
    encoder_layers=1,
    decoder_layers=2,
    vocabulary=11,
    audio_positions=7,
    text_positions=6,
)
HEADS = ((0, 1), (1, 0))

_DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}

_OPENAI_MODULES = {
    "conv1": "conv1",
    "conv2": "conv2",
    "embed_tokens": "token_embedding",
    "self_attn.q_proj": "attn.query",
    "self_attn.k_proj": "attn.key",
    "self_attn.v_proj": "attn.value",
    "self_attn.out_proj": "attn.out",
    "self_attn_layer_norm": "attn_ln",
    "encoder_attn.q_proj": "cross_attn.query",
    "encoder_attn.k_proj": "cross_attn.key",
    "encoder_attn.v_proj": "cross_attn.value",
    "encoder_attn.out_proj": "cross_attn.out",
    "encoder_attn_layer_norm": "cross_attn_ln",
    "fc1": "mlp.0",
    "fc2": "mlp.2",
    "final_layer_norm": "mlp_ln",
}
"""Hugging Face's module → OpenAI's (whisper/model.py), of a layer and beside the layers."""


def random_tensors(dims: Dims = DIMS, dtype: torch.dtype = torch.float16, seed: int = 0) -> dict[str, Tensor]:
    """Return tensors of which no two are alike, by Hugging Face's names without the leading "model."."""
    random = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=random).to(dtype) for name, shape in tensor_shapes(dims).items()}


def safetensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Return a file of the tensors in the safetensors format."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    stored = b""
    for name, tensor in tensors.items():
        numbers = tensor.contiguous().view(torch.uint8).numpy().tobytes()
        offsets = [len(stored), len(stored) + len(numbers)]
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
        stored += numbers
    described = json.dumps(header).encode()
    return struct.pack("<Q", len(described)) + described + stored


def write_hugging_face(directory: Path, tensors: Mapping[str, Tensor], dims: Dims = DIMS, shards: int = 1) -> Path:
    """Write Hugging Face's files, and return their directory."""
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "model_type": "whisper",
        "num_mel_bins": dims.mels,
        "d_model": dims.width,
        "encoder_attention_heads": dims.heads,
        "decoder_attention_heads": dims.heads,
        "encoder_layers": dims.encoder_layers,
        "decoder_layers": dims.decoder_layers,
        "vocab_size": dims.vocabulary,
        "max_source_positions": dims.audio_positions,
        "max_target_positions": dims.text_positions,
    }
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "generation_config.json").write_text(json.dumps({"alignment_heads": HEADS}))
    named = {f"model.{name}": tensor for name, tensor in tensors.items()}
    if shards == 1:
        (directory / "model.safetensors").write_bytes(safetensors(named))
        return directory
    files = {name: f"model-{place % shards}.safetensors" for place, name in enumerate(named)}
    for file in set(files.values()):
        (directory / file).write_bytes(safetensors({name: named[name] for name in named if files[name] == file}))
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    return directory


def write_openai(path: Path, tensors: Mapping[str, Tensor], dims: Dims = DIMS) -> Path:
    """Write OpenAI's file, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = {
        "n_mels": dims.mels,
        "n_vocab": dims.vocabulary,
        "n_audio_ctx": dims.audio_positions,
        "n_audio_state": dims.width,
        "n_audio_head": dims.heads,
        "n_audio_layer": dims.encoder_layers,
        "n_text_ctx": dims.text_positions,
        "n_text_state": dims.width,
        "n_text_head": dims.heads,
        "n_text_layer": dims.decoder_layers,
    }
    named = {_openai_name(name): tensor for name, tensor in tensors.items()}
    torch.save({"dims": sizes, "model_state_dict": named}, path)
    return path


def _openai_name(name: str) -> str:
    side, *rest, parameter = name.split(".")
    if rest == ["embed_positions"]:
        return f"{side}.positional_embedding"
    if rest == ["layer_norm"]:
        return f"{side}.{'ln_post' if side == 'encoder' else 'ln'}.{parameter}"
    if rest[0] == "layers":
        return f"{side}.blocks.{rest[1]}.{_OPENAI_MODULES['.'.join(rest[2:])]}.{parameter}"
    return f"{side}.{_OPENAI_MODULES['.'.join(rest)]}.{parameter}"


def write_ctranslate2(
    directory: Path, tensors: Mapping[str, Tensor], dims: Dims = DIMS, quantization: str | None = None
) -> Path:
    """Write CTranslate2's files by its own writer, and return their directory."""
    directory.mkdir(parents=True, exist_ok=True)
    spec = whisper_spec.WhisperSpec(dims.encoder_layers, dims.heads, dims.decoder_layers, dims.heads)
    source = _Source(tensors)
    source.linear(spec.encoder.conv1, "encoder.conv1")
    source.linear(spec.encoder.conv2, "encoder.conv2")
    spec.encoder.position_encodings.encodings = source.array("encoder.embed_positions.weight")
    spec.decoder.position_encodings.encodings = source.array("decoder.embed_positions.weight")
    spec.decoder.embeddings.weight = source.array("decoder.embed_tokens.weight")
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    for side, name in ((spec.encoder, "encoder"), (spec.decoder, "decoder")):
        source.norm(side.layer_norm, f"{name}.layer_norm")
        for place, layer in enumerate(side.layer):
            path = f"{name}.layers.{place}"
            source.attention(layer.self_attention, f"{path}.self_attn", ("qkv", "out"))
            if name == "decoder":
                source.attention(layer.attention, f"{path}.encoder_attn", ("q", "kv", "out"))
            source.norm(layer.ffn.layer_norm, f"{path}.final_layer_norm")
            source.linear(layer.ffn.linear_0, f"{path}.fc1")
            source.linear(layer.ffn.linear_1, f"{path}.fc2")
    spec.register_vocabulary([f"token {place}" for place in range(dims.vocabulary)])
    spec.config.alignment_heads = HEADS
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(directory))
    return directory


class _Source:
    """Fills CTranslate2's specifications with tensors."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def array(self, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.floating]]:
        """Return a tensor; zeros for the bias that keys have not."""
        if name.endswith("k_proj.bias"):
            return np.zeros_like(self.array(name.replace("k_proj", "q_proj")))
        array: np.ndarray[tuple[int, ...], np.dtype[np.floating]] = self._tensors[name].numpy().copy()
        return array  # a copy, because quantising is done in place

    def norm(self, spec: common_spec.LayerNormSpec, name: str) -> None:
        spec.gamma, spec.beta = self.array(f"{name}.weight"), self.array(f"{name}.bias")

    def linear(self, spec: common_spec.LinearSpec, *names: str) -> None:
        spec.weight = np.concatenate([self.array(f"{name}.weight") for name in names])
        spec.bias = np.concatenate([self.array(f"{name}.bias") for name in names])

    def attention(self, spec: attention_spec.MultiHeadAttentionSpec, name: str, parts: tuple[str, ...]) -> None:
        self.norm(spec.layer_norm, f"{name}_layer_norm")
        for linear, part in zip(spec.linear, parts, strict=True):
            projections = ["out"] if part == "out" else list(part)
            self.linear(linear, *(f"{name}.{projection}_proj" for projection in projections))
