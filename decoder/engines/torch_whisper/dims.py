"""The sizes of a Whisper, and the tensors that a Whisper of these sizes has. PURE."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

__all__ = ["Dims", "tensor_shapes"]

MAX_SIZE = 1 << 22
"""The greatest size of a Whisper is its vocabulary, 51 866 tokens."""

MAX_LAYERS = 256
"""The largest Whisper has 32."""

FEED_FORWARD = 4
"""The layers' inner width, in widths of the model; it is that of every Whisper."""

CONVOLUTION = 3
"""Frames under the kernel of a convolution."""


@dataclass(frozen=True, slots=True)
class Dims:
    """The sizes of a Whisper.

    Attributes:
        mels: bands of the spectrogram.
        width: numbers that stand for a position or a token; a multiple of `heads`.
        heads: of every attention.
        encoder_layers, decoder_layers: how many.
        vocabulary: tokens, special ones included.
        audio_positions: of the encoder's full window, 20 ms each.
        text_positions: tokens that the decoder has room for, prompt included.
    """

    mels: int
    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    vocabulary: int
    audio_positions: int = 1500
    text_positions: int = 448

    def __post_init__(self) -> None:
        for name, size in asdict(self).items():
            limit = MAX_LAYERS if name.endswith("_layers") else MAX_SIZE
            if not 1 <= size <= limit:
                raise ValueError(f"{name} {size}: expected 1–{limit}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width}: expected a multiple of the {self.heads} heads")


def tensor_shapes(dims: Dims) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor, by the name that Hugging Face gives it, without the leading "model."."""
    width = dims.width
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.conv1.weight": (width, dims.mels, CONVOLUTION),
        "encoder.conv1.bias": (width,),
        "encoder.conv2.weight": (width, width, CONVOLUTION),
        "encoder.conv2.bias": (width,),
        "encoder.embed_positions.weight": (dims.audio_positions, width),
        "decoder.embed_tokens.weight": (dims.vocabulary, width),
        "decoder.embed_positions.weight": (dims.text_positions, width),
    }
    for layer in range(dims.encoder_layers):
        shapes |= _layer(f"encoder.layers.{layer}", ("self_attn",), width)
    for layer in range(dims.decoder_layers):
        shapes |= _layer(f"decoder.layers.{layer}", ("self_attn", "encoder_attn"), width)
    return shapes | dict(_norm("encoder.layer_norm", width)) | dict(_norm("decoder.layer_norm", width))


def _layer(layer: str, attentions: tuple[str, ...], width: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for attention in attentions:
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= dict(_linear(f"{layer}.{attention}.{projection}", width, width))
        del shapes[f"{layer}.{attention}.k_proj.bias"]  # a bias of the keys adds the same to all scores of a query
        shapes |= dict(_norm(f"{layer}.{attention}_layer_norm", width))
    shapes |= dict(_linear(f"{layer}.fc1", FEED_FORWARD * width, width))
    shapes |= dict(_linear(f"{layer}.fc2", width, FEED_FORWARD * width))
    return shapes | dict(_norm(f"{layer}.final_layer_norm", width))


def _linear(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)
