"""Whisper's encoder and decoder as functions of their weights; shapes follow from arguments, never from data."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from decoder.engines.torch_whisper.checkpoint import Checkpoint
from decoder.engines.torch_whisper.dims import Dims

__all__ = ["CrossStore", "OwnStore", "SilentTail", "Weights", "decode", "encode", "project"]


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        """Return x @ weight.T + bias."""
        return functional.linear(x, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer norm over the width."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Return x normalised."""
        return functional.layer_norm(x, (x.shape[-1],), self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class SelfAttention:
    """Query, key and value in one projection."""

    norm: Norm
    query_key_value: Linear
    out: Linear


@dataclass(frozen=True, slots=True)
class CrossAttention:
    """Attention of the text to the audio."""

    norm: Norm
    query: Linear
    key_value: Linear
    out: Linear


@dataclass(frozen=True, slots=True)
class Mlp:
    """Two layers with a GELU in between."""

    norm: Norm
    up: Linear
    down: Linear

    def __call__(self, x: Tensor) -> Tensor:
        """Return x with the layers' output added."""
        return x + self.down(functional.gelu(self.up(self.norm(x))))


@dataclass(frozen=True, slots=True)
class EncoderLayer:
    """One of the encoder."""

    own: SelfAttention
    mlp: Mlp


@dataclass(frozen=True, slots=True)
class DecoderLayer:
    """One of the decoder."""

    own: SelfAttention
    cross: CrossAttention
    mlp: Mlp


@dataclass(frozen=True, slots=True)
class Weights:
    """All weights, on one device and in one type.

    Attributes:
        dims: of the model.
        convolutions: weight and bias of both.
        audio_positions: [1500, width].
        encoder: its layers.
        encoder_norm: after them.
        embedding: [vocabulary, width]; also the projection to the vocabulary.
        text_positions: [448, width].
        decoder: its layers.
        decoder_norm: after them.
    """

    dims: Dims
    convolutions: tuple[Linear, Linear]
    audio_positions: Tensor
    encoder: tuple[EncoderLayer, ...]
    encoder_norm: Norm
    embedding: Tensor
    text_positions: Tensor
    decoder: tuple[DecoderLayer, ...]
    decoder_norm: Norm

    @classmethod
    def of(cls, checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> "Weights":
        """Return the weights of a checkpoint, on a device and in a type."""

        read = _Reader(checkpoint, device, dtype)
        dims = checkpoint.dims
        encoder_names = [f"encoder.layers.{n}" for n in range(dims.encoder_layers)]
        decoder_names = [f"decoder.layers.{n}" for n in range(dims.decoder_layers)]
        return cls(
            dims,
            (read.linear("encoder.conv1"), read.linear("encoder.conv2")),
            read.tensor("encoder.embed_positions.weight"),
            tuple(EncoderLayer(read.own(name), read.mlp(name)) for name in encoder_names),
            read.norm("encoder.layer_norm"),
            read.tensor("decoder.embed_tokens.weight"),
            read.tensor("decoder.embed_positions.weight"),
            tuple(DecoderLayer(read.own(name), read.cross(name), read.mlp(name)) for name in decoder_names),
            read.norm("decoder.layer_norm"),
        )

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.embedding.device

    @property
    def dtype(self) -> torch.dtype:
        """Their type."""
        return self.embedding.dtype


class _Reader:
    """Takes a checkpoint's tensors to a device, in a type, and makes layers of them."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> None:
        self._tensors, self._device, self._dtype = checkpoint.tensors, device, dtype

    def tensor(self, name: str) -> Tensor:
        return self._tensors[name].to(self._device, self._dtype)

    def linear(self, name: str) -> Linear:
        return Linear(self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias"))

    def norm(self, name: str) -> Norm:
        return Norm(self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias"))

    def own(self, name: str) -> SelfAttention:
        attention = f"{name}.self_attn"
        norm, out = self.norm(f"{attention}_layer_norm"), self.linear(f"{attention}.out_proj")
        return SelfAttention(norm, self._joined(attention, "qkv"), out)

    def cross(self, name: str) -> CrossAttention:
        attention = f"{name}.encoder_attn"
        norm, out = self.norm(f"{attention}_layer_norm"), self.linear(f"{attention}.out_proj")
        return CrossAttention(norm, self._joined(attention, "q"), self._joined(attention, "kv"), out)

    def mlp(self, name: str) -> Mlp:
        return Mlp(self.norm(f"{name}.final_layer_norm"), self.linear(f"{name}.fc1"), self.linear(f"{name}.fc2"))

    def _joined(self, name: str, parts: str) -> Linear:
        """Return several projections as one; that of keys has no bias in Whisper."""
        weights = [self.tensor(f"{name}.{part}_proj.weight") for part in parts]
        biases = [
            torch.zeros(len(weight), device=self._device, dtype=self._dtype)
            if part == "k"
            else self.tensor(f"{name}.{part}_proj.bias")
            for part, weight in zip(parts, weights, strict=True)
        ]
        return Linear(torch.cat(weights), torch.cat(biases))


@dataclass(frozen=True, slots=True)
class SilentTail:
    """Silence behind the audio of a batch, that was encoded once and not with it.

    Attributes:
        keys_values: [B, encoder layers, 2, heads, silent positions, width of a head].
        log_mass: how many positions each of them stands for, as a logarithm.
    """

    keys_values: Tensor
    log_mass: float


def encode(
    weights: Weights,
    log_mel: Tensor,
    tail: SilentTail | None = None,
    observe: Callable[[Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Return the encoder's output, [B, N, width].

    Args:
        weights: of the model.
        log_mel: [B, mels, 2 N], the windows; all of one length.
        tail: silence that they attend to, too.
        observe: called with the keys and values, [B, heads, N, width of a head], of each layer.
    """
    batch, _, frames = log_mel.shape
    positions, heads = frames // 2, weights.dims.heads
    first, second = weights.convolutions
    x = functional.gelu(functional.conv1d(log_mel, first.weight, first.bias, padding=1))
    x = functional.gelu(functional.conv1d(x, second.weight, second.bias, stride=2, padding=1))
    x = x.transpose(1, 2) + weights.audio_positions[:positions]
    mask = None
    if tail is not None:
        mask = torch.zeros(1, positions + tail.keys_values.shape[4], device=x.device, dtype=x.dtype)
        mask[:, positions:] = tail.log_mass
    for n, layer in enumerate(weights.encoder):
        projected = layer.own.query_key_value(layer.own.norm(x)).view(batch, positions, 3, heads, -1)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        if observe is not None:
            observe(key, value)
        if tail is not None:
            silent_key, silent_value = tail.keys_values[:, n].unbind(1)
            key, value = torch.cat([key, silent_key], 2), torch.cat([value, silent_value], 2)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = layer.mlp(x + layer.own.out(attended.transpose(1, 2).reshape(batch, positions, -1)))
    return weights.encoder_norm(x)


@dataclass(frozen=True, slots=True)
class CrossStore:
    """What the decoder attends to of the audio, of several rows.

    Attributes:
        keys_values: [decoder layers, 2, rows, heads, positions, width of a head].
        mask: [rows, positions], added to the scores: 0, the log mass of silence, or -∞ where there is nothing.
    """

    keys_values: Tensor
    mask: Tensor

    def rows(self, first: int, count: int, positions: int) -> "CrossStore":
        """Return a view of adjacent rows, and of the first positions."""
        rows = slice(first, first + count)
        return CrossStore(self.keys_values[:, :, rows, :, :positions], self.mask[rows, :positions])

    def repeated(self, row: int, times: int) -> "CrossStore":
        """Return a view of one row, as so many."""
        keys_values = self.keys_values[:, :, row : row + 1].expand(-1, -1, times, -1, -1, -1)
        return CrossStore(keys_values, self.mask[row : row + 1].expand(times, -1))


@dataclass(frozen=True, slots=True)
class OwnStore:
    """Keys and values of the texts' own tokens.

    Attributes:
        keys_values: [decoder layers, 2, rows, heads, places + 1, width of a head]; the last place is written to by
            tokens beyond the context, and never read.
    """

    keys_values: Tensor

    @classmethod
    def empty(cls, weights: Weights, rows: int, places: int | None = None) -> "OwnStore":
        """Return a store of that many rows, of the whole context or of so many places."""
        dims = weights.dims
        shape = (
            dims.decoder_layers,
            2,
            rows,
            dims.heads,
            (places or dims.text_positions) + 1,
            dims.width // dims.heads,
        )
        return cls(torch.zeros(shape, device=weights.device, dtype=weights.dtype))

    @property
    def places(self) -> int:
        """Places that can be read."""
        return int(self.keys_values.shape[4]) - 1

    def rows(self, first: int, count: int) -> "OwnStore":
        """Return a view of adjacent rows."""
        return OwnStore(self.keys_values[:, :, first : first + count])


def project(weights: Weights, encoded: Tensor) -> Tensor:
    """Return the keys and values of cross attention, [decoder layers, 2, B, heads, N, width of a head].

    Args:
        weights: of the model.
        encoded: [B, N, width].
    """
    batch, positions, _ = encoded.shape
    layers = [
        layer.cross.key_value(encoded).view(batch, positions, 2, weights.dims.heads, -1).permute(2, 0, 3, 1, 4)
        for layer in weights.decoder
    ]
    return torch.stack(layers)


def decode(
    weights: Weights,
    own: OwnStore,
    cross: CrossStore,
    tokens: Tensor,
    first_place: Tensor,
    own_places: int,
    heads: tuple[tuple[int, int], ...] = (),
) -> tuple[Tensor, Tensor | None]:
    """Return the hidden states of a pass, [B, Q, width], whose keys and values go into `own`, and scores of some heads.

    Args:
        weights: of the model.
        own: stores of B rows.
        cross: of the same rows.
        tokens: int64[B, Q].
        first_place: int64[B], the place of each row's first token in its text.
        own_places: places of `own` to attend to; at least those that any row has.
        heads: (layer, head) whose scores are returned, [B, heads, Q, positions].
    """
    places = first_place[:, None] + torch.arange(tokens.shape[1], device=tokens.device)
    stored = places.clamp(max=own.places)
    x = functional.embedding(tokens, weights.embedding) + weights.text_positions[places.clamp(max=own.places - 1)]
    own_mask = _own_mask(places, own_places, x.dtype)
    cross_mask = cross.mask[:, None, None].to(x.dtype)
    row = torch.arange(len(tokens), device=tokens.device)[:, None].expand(tokens.shape)
    scores = []
    for n, layer in enumerate(weights.decoder):
        projected = layer.own.query_key_value(layer.own.norm(x)).view(*tokens.shape, 3, weights.dims.heads, -1)
        query, key, value = projected.unbind(2)
        keys, values = own.keys_values[n].unbind(0)
        keys[row, :, stored], values[row, :, stored] = key, value
        x = x + layer.own.out(_attended(query, keys[:, :, :own_places], values[:, :, :own_places], own_mask))
        query = layer.cross.query(layer.cross.norm(x)).view(*tokens.shape, weights.dims.heads, -1)
        keys, values = cross.keys_values[n].unbind(0)
        watched = (head for of_layer, head in heads if of_layer == n)
        scores += [query[:, :, head] @ keys[:, head].transpose(1, 2) * query.shape[-1] ** -0.5 for head in watched]
        x = layer.mlp(x + layer.cross.out(_attended(query, keys, values, cross_mask)))
    return weights.decoder_norm(x), torch.stack(scores, 1) if scores else None


def _own_mask(places: Tensor, own_places: int, dtype: torch.dtype) -> Tensor:
    """Return what is added to the scores of own attention, [B, 1, Q, own places]: -∞ behind each token's place."""
    visible = torch.arange(own_places, device=places.device) <= places[:, :, None]
    return torch.zeros(visible.shape, device=places.device, dtype=dtype).masked_fill(~visible, -torch.inf)[:, None]


def _attended(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Return what the tokens attend to, [B, Q, width], for queries of [B, Q, heads, width of a head]."""
    attended = functional.scaled_dot_product_attention(query.transpose(1, 2), keys, values, attn_mask=mask)
    return attended.transpose(1, 2).flatten(2)
