"""How long the parts of Whisper's network take on a device, as a share of what the device could do at best."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from decoder.engines.torch_whisper.dims import CONVOLUTION, FEED_FORWARD, Dims
from decoder.engines.torch_whisper.graphs import Graphs
from decoder.engines.torch_whisper.model import Weights, encode
from decoder.engines.torch_whisper.passes import Pass
from decoder.engines.torch_whisper.rules import Rules
from decoder.engines.torch_whisper.silence import LEVELS, STRIDE, Silence
from decoder.engines.torch_whisper.slots import Slots, Start
from decoder.whisper.vocabulary import Vocabulary

__all__ = [
    "Ceilings",
    "EncoderFigures",
    "PassFigures",
    "Work",
    "elapsed_ms",
    "encoder_work",
    "graph_memory_bytes",
    "measure_ceilings",
    "measure_encoder",
    "measure_pass",
    "pass_work",
]

WARM_UPS = 2
REPEATS = 7

COPIED_BYTES = 1 << 30
MATMUL_WIDTH = 8192

LOGIT_COPIES = 4
"""Tensors of the logits' size that choosing a token needs at once, in float32."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What the device does at best.

    Attributes:
        bytes_per_s: read and written by a copy.
        flops_per_s: of a large product of matrices.
    """

    bytes_per_s: float
    flops_per_s: float


@dataclass(frozen=True, slots=True)
class Work:
    """What has to be done.

    Attributes:
        flops: of matrix products; a multiplication and an addition are two.
        bytes: of weights and stores that are read.
    """

    flops: float
    bytes: float

    def least_ms(self, ceilings: Ceilings) -> float:
        """Return how long it takes at best: the longer of arithmetic and reading (the roofline)."""
        return 1e3 * max(self.flops / ceilings.flops_per_s, self.bytes / ceilings.bytes_per_s)


@dataclass(frozen=True, slots=True)
class EncoderFigures:
    """One batch of the encoder.

    Attributes:
        positions: of each window.
        batch: windows.
        ms: it took.
        roofline: share of it that it had to take.
    """

    positions: int
    batch: int
    ms: float
    roofline: float


@dataclass(frozen=True, slots=True)
class PassFigures:
    """One pass of the decoder.

    Attributes:
        rows, width, cross: texts, tokens of each, and positions of the audio that they attend to.
        eager_ms: kernel by kernel.
        graph_ms: as a CUDA graph; None where there are none.
        roofline: share of the faster of both that it had to take.
    """

    rows: int
    width: int
    cross: int
    eager_ms: float
    graph_ms: float | None
    roofline: float


def encoder_work(dims: Dims, positions: int, batch: int, silent: int, bytes_each: int) -> Work:
    """Return the work of a batch of the encoder. PURE.

    A layer multiplies each position with 4 · width² weights of its attention and 2 · 4 · width² of the layers after it,
    and its queries with the keys of all positions, the silent ones too, and their scores with as many values.

    Args:
        dims: of the model.
        positions: of each window.
        batch: windows.
        silent: positions of silence that are attended to.
        bytes_each: of a weight.
    """
    width, n = dims.width, positions
    weights = (4 + 2 * FEED_FORWARD) * width**2
    layer = 2 * n * weights + 4 * n * (n + silent) * width
    convolutions = 2 * CONVOLUTION * width * (dims.mels * 2 * n + width * n)
    return Work(batch * (dims.encoder_layers * layer + convolutions), dims.encoder_layers * weights * bytes_each)


def pass_work(dims: Dims, shape: Pass, bytes_each: int) -> Work:
    """Return the work of a pass of the decoder. PURE.

    A layer reads 6 · width² weights of its two attentions, those of the audio's keys and values aside, 2 · 4 · width²
    of the layers after them, and the keys and values of the text and of the audio, of each row. Then the embedding of
    the whole vocabulary is read.

    Args:
        dims: of the model.
        shape: of the pass.
        bytes_each: of a weight and of a stored number.
    """
    width, rows, tokens = dims.width, shape.count, shape.count * shape.width
    weights = (6 + 2 * FEED_FORWARD) * width**2
    attended = shape.own + shape.cross
    flops = dims.decoder_layers * (2 * tokens * weights + 4 * tokens * attended * width)
    flops += 2 * rows * shape.chosen * width * dims.vocabulary
    read = dims.decoder_layers * (weights + 2 * rows * attended * width) + width * dims.vocabulary
    return Work(flops, read * bytes_each)


def graph_memory_bytes(dims: Dims, shapes: Sequence[Pass]) -> int:
    """Return about how much memory the graphs of passes share: the logits of the largest, several times over. PURE."""
    float32_bytes = 4
    return (
        LOGIT_COPIES * float32_bytes * dims.vocabulary * max((each.count * each.chosen for each in shapes), default=0)
    )


def elapsed_ms(function: Callable[[], object], device: torch.device) -> float:
    """Return the median time of a function on the device; on a CPU of one run, which only shows that it runs."""
    if device.type == "cpu":
        began_s = time.perf_counter()
        function()
        return (time.perf_counter() - began_s) * 1e3
    for _ in range(WARM_UPS):
        function()
    times = []
    for _ in range(REPEATS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]  # of torch
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(float(start.elapsed_time(end)))
    return statistics.median(times)


def measure_ceilings(device: torch.device, dtype: torch.dtype) -> Ceilings:
    """Return what the device does at best, in that type; on a CPU with small tensors."""
    is_small = device.type == "cpu"
    size, width = (1 << 24, 512) if is_small else (COPIED_BYTES, MATMUL_WIDTH)
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copied_ms = elapsed_ms(lambda: target.copy_(source), device)
    one, other = torch.randn(2, width, width, device=device, dtype=dtype).unbind(0)
    multiplied_ms = elapsed_ms(lambda: one @ other, device)
    return Ceilings(2 * size / copied_ms * 1e3, 2 * width**3 / multiplied_ms * 1e3)


def measure_encoder(
    weights: Weights, silence: Silence, sizes: Sequence[tuple[int, int]], ceilings: Ceilings
) -> list[EncoderFigures]:
    """Return how long batches of the encoder take: full windows as they are, others with silence grafted.

    Args:
        weights: of the model.
        silence: of these weights, prepared.
        sizes: (positions of each window, windows).
        ceilings: of the device.
    """
    dims, figures = weights.dims, []
    for positions, batch in sizes:
        log_mel = torch.randn(batch, dims.mels, 2 * positions, device=weights.device, dtype=weights.dtype)
        levels = torch.arange(batch, device=weights.device) % LEVELS
        is_full = positions == dims.audio_positions
        silent = 0 if is_full else (dims.audio_positions - positions) // STRIDE
        run = partial(_encode, weights, silence, log_mel, None if is_full else levels)
        ms = elapsed_ms(run, weights.device)
        work = encoder_work(dims, positions, batch, silent, weights.dtype.itemsize)
        figures.append(EncoderFigures(positions, batch, ms, work.least_ms(ceilings) / ms))
    return figures


def _encode(weights: Weights, silence: Silence, log_mel: torch.Tensor, levels: torch.Tensor | None) -> None:
    tail = None if levels is None else silence.tail(levels, log_mel.shape[2] // 2)
    encode(weights, log_mel, tail)


def pass_slots(weights: Weights, vocabulary: Vocabulary, heads: tuple[tuple[int, int], ...], count: int) -> Slots:
    """Return slots with texts in progress, and audio that is noise."""
    assert vocabulary.token("<|nospeech|>") is not None
    rules = Rules(vocabulary, weights.dims.vocabulary, weights.device)
    slots = Slots(weights, rules, count, heads, vocabulary.no_timestamps - 1)
    slots.cross.keys_values.normal_()
    slots.cross.mask.zero_()
    prompt = (vocabulary.sot, *range(3))
    for slot in range(count):
        slots.fill(slot, Start(prompt, 0, (), (), 200, is_timed=False, temperature=0.0, content=100))
    return slots


def measure_pass(slots: Slots, shapes: Sequence[Pass], ceilings: Ceilings) -> list[PassFigures]:
    """Return how long passes take.

    Args:
        slots: with texts in progress; how far they are makes no difference.
        shapes: of the passes.
        ceilings: of the device.
    """
    weights, figures = slots.weights, []
    graphs = Graphs(weights.device)
    for shape in shapes:
        run = partial(slots.advance, shape)
        eager_ms = elapsed_ms(run, weights.device)
        graphs.capture(shape, run)
        is_captured = weights.device.type == "cuda"
        graph_ms = elapsed_ms(partial(graphs.run, shape, run), weights.device) if is_captured else None
        least_ms = pass_work(weights.dims, shape, weights.dtype.itemsize).least_ms(ceilings)
        fastest_ms = min(eager_ms, graph_ms or eager_ms)
        figures.append(PassFigures(shape.count, shape.width, shape.cross, eager_ms, graph_ms, least_ms / fastest_ms))
    return figures
