"""Write a CTranslate2 Whisper of any size with random weights and a fixed text.

    python tools/synthetic_whisper.py tiny OUT --tokenizer tokenizer.json [--tokens 20] [--quantization int8]

The cost of a decode depends on shapes and on the number of tokens, not on the weights. Here the position embeddings
determine the next token, so every decode yields the same `--tokens` word pieces and then the end of the text: this
model takes the time of the real one at that output length. Its text is meaningless.
"""

import argparse
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ctranslate2.specs import attention_spec, common_spec, transformer_spec, whisper_spec
from numpy.typing import NDArray

__all__ = ["SIZES", "Shape", "write_model"]

CONTEXT_TOKENS = 448
ENCODER_POSITIONS = 1500
TASK_TOKENS = 4
"""<|startoftranscript|>, language, task, <|notimestamps|>: the tokens before the first word."""

TOKEN_WEIGHT = 20.0
"""Weight of a position's token relative to the random rest."""

MIN_LOGIT = 24.0
"""Minimum logit of the next token; the other 50 000 are about 1. Only the micro size has to be scaled up to it."""

TEXT_TOKENS = range(300, 340)
"""Word pieces of the official vocabulary, none of them special."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of a Whisper model."""

    encoder_layers: int
    decoder_layers: int
    width: int
    heads: int
    mels: int
    vocabulary: int


SIZES = {
    "micro": Shape(1, 2, 64, 2, 80, 51_865),  # for tests; no official size is this small
    "tiny": Shape(4, 4, 384, 6, 80, 51_865),
    "base": Shape(6, 6, 512, 8, 80, 51_865),
    "small": Shape(12, 12, 768, 12, 80, 51_865),
    "medium": Shape(24, 24, 1024, 16, 80, 51_865),
    "large-v3": Shape(32, 32, 1280, 20, 128, 51_866),
    "large-v3-turbo": Shape(32, 4, 1280, 20, 128, 51_866),
}


def write_model(
    shape: Shape,
    out: Path,
    tokenizer: Path,
    text: Sequence[int],
    *,
    quantization: str | None = None,
    seed: int = 0,
) -> None:
    """Write the model's directory.

    Args:
        shape: of the model.
        out: the directory to write, created if missing.
        tokenizer: Hugging Face's tokenizer.json with Whisper's special tokens.
        text: the tokens that every decode yields, in order.
        quantization: CTranslate2's type, or None for float32.
        seed: of the random weights.
    """
    vocabulary = _vocabulary(tokenizer, shape.vocabulary)
    weights = _Weights(shape, np.random.default_rng(seed))
    spec = whisper_spec.WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    weights.fill_encoder(spec.encoder)
    weights.fill_decoder(spec.decoder, text, vocabulary.index("<|endoftext|>"))
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [vocabulary.index("<|endoftext|>")]
    spec.config.lang_ids = [i for i, token in enumerate(vocabulary) if re.fullmatch(r"<\|[a-z]{2,3}\|>", token)]
    upper_layers = range(shape.decoder_layers // 2, shape.decoder_layers)
    spec.config.alignment_heads = [[layer, head] for layer in upper_layers for head in range(shape.heads)][:10]
    spec.validate()
    spec.optimize(quantization=quantization)
    out.mkdir(parents=True, exist_ok=True)
    spec.save(str(out))
    shutil.copyfile(tokenizer, out / "tokenizer.json")
    features = {
        "feature_size": shape.mels,
        "sampling_rate": 16_000,
        "hop_length": 160,
        "chunk_length": 30,
        "n_fft": 400,
    }
    (out / "preprocessor_config.json").write_text(json.dumps(features), encoding="utf-8")


class _Weights:
    def __init__(self, shape: Shape, random: np.random.Generator) -> None:
        self._shape = shape
        self._random = random

    def fill_encoder(self, encoder: whisper_spec.WhisperEncoderSpec) -> None:
        width = self._shape.width
        encoder.conv1.weight, encoder.conv1.bias = self._matrix(width, self._shape.mels, 3), self._zeros(width)
        encoder.conv2.weight, encoder.conv2.bias = self._matrix(width, width, 3), self._zeros(width)
        rates = np.exp(-np.log(10_000) / (width // 2 - 1) * np.arange(width // 2))
        angles = np.arange(ENCODER_POSITIONS)[:, None] * rates
        encoder.position_encodings.encodings = np.concatenate([np.sin(angles), np.cos(angles)], 1).astype(np.float32)
        self._norm(encoder.layer_norm)
        for layer in encoder.layer:
            self._self_attention(layer.self_attention, scale=0.02)
            self._feed_forward(layer.ffn, scale=0.02)

    def fill_decoder(self, decoder: transformer_spec.TransformerDecoderSpec, text: Sequence[int], end: int) -> None:
        width = self._shape.width
        embeddings = self._matrix(self._shape.vocabulary, width, scale=width**-0.5)
        tokens = [*text, end]
        next_tokens = [tokens[(position + 1 - TASK_TOKENS) % len(tokens)] for position in range(CONTEXT_TOKENS)]
        decoder.embeddings.weight = embeddings
        decoder.position_encodings.encodings = TOKEN_WEIGHT * embeddings[next_tokens]
        decoder.projection.weight = embeddings
        self._norm(decoder.layer_norm)
        decoder.layer_norm.gamma *= np.float32(max(1.0, MIN_LOGIT / width**0.5))
        for layer in decoder.layer:  # too small to change the next token
            self._self_attention(layer.self_attention, scale=1e-4)
            self._cross_attention(layer.attention, scale=1e-4)
            self._feed_forward(layer.ffn, scale=1e-4)

    def _self_attention(self, attention: attention_spec.MultiHeadAttentionSpec, scale: float) -> None:
        self._norm(attention.layer_norm)
        self._linear(attention.linear[0], 3 * self._shape.width, self._shape.width)
        self._linear(attention.linear[1], self._shape.width, self._shape.width, scale)

    def _cross_attention(self, attention: attention_spec.MultiHeadAttentionSpec, scale: float) -> None:
        self._norm(attention.layer_norm)
        self._linear(attention.linear[0], self._shape.width, self._shape.width)
        self._linear(attention.linear[1], 2 * self._shape.width, self._shape.width)
        self._linear(attention.linear[2], self._shape.width, self._shape.width, scale)

    def _feed_forward(self, network: transformer_spec.FeedForwardSpec, scale: float) -> None:
        self._norm(network.layer_norm)
        self._linear(network.linear_0, 4 * self._shape.width, self._shape.width)
        self._linear(network.linear_1, self._shape.width, 4 * self._shape.width, scale)

    def _norm(self, norm: common_spec.LayerNormSpec) -> None:
        norm.gamma, norm.beta = np.ones(self._shape.width, np.float32), self._zeros(self._shape.width)

    def _linear(self, linear: common_spec.LinearSpec, outputs: int, inputs: int, scale: float = 0.02) -> None:
        linear.weight, linear.bias = self._matrix(outputs, inputs, scale=scale), self._zeros(outputs)

    def _matrix(self, *shape: int, scale: float = 0.02) -> NDArray[np.float32]:
        return self._random.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    def _zeros(self, width: int) -> NDArray[np.float32]:
        return np.zeros(width, np.float32)


def _vocabulary(tokenizer: Path, size: int) -> list[str]:
    described = json.loads(tokenizer.read_text(encoding="utf-8"))
    ids = {**described["model"]["vocab"], **{token["content"]: token["id"] for token in described["added_tokens"]}}
    tokens = {place: token for token, place in ids.items()}
    return [tokens.get(place, f"<|extra_{place}|>") for place in range(size)]


def main() -> None:
    """Write the model that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument("--quantization")
    given = parser.parse_args()
    text = [TEXT_TOKENS[i % len(TEXT_TOKENS)] for i in range(given.tokens)]
    write_model(SIZES[given.size], given.out, given.tokenizer, text, quantization=given.quantization)


if __name__ == "__main__":
    main()
