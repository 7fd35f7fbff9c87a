"""The model against CTranslate2's, which computes in float32, too."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from decoder.engines.torch_whisper.checkpoint import Checkpoint, read_checkpoint
from decoder.engines.torch_whisper.dims import Dims, tensor_shapes
from decoder.engines.torch_whisper.model import CrossStore, OwnStore, SilentTail, Weights, decode, encode, project
from decoder.engines.torch_whisper.passes import GRAPHS
from decoder.engines.torch_whisper.rules import Rules
from decoder.engines.torch_whisper.slots import Slots
from tests.contracts.engines import write_micro_whisper
from tests.small_whisper import DIMS, checkpoint, rules, vocabulary
from tools.real_models import model_directory

CPU = torch.device("cpu")

TURBO = Dims(mels=128, width=1280, heads=20, encoder_layers=32, decoder_layers=4, vocabulary=51_866)

TEXT_TOKENS = 12

HEADS = ((0, 1), (1, 0), (1, 3))


@cache
def weights() -> Weights:
    return Weights.of(checkpoint(), CPU, torch.float32)


def log_mels(rows: int, positions: int, mels: int = DIMS.mels) -> Tensor:
    return 0.5 * torch.randn(rows, mels, 2 * positions, generator=torch.Generator().manual_seed(positions))


def cross_store(encoded: Tensor, of: Weights) -> CrossStore:
    return CrossStore(project(of, encoded), torch.zeros(encoded.shape[:2]))


def logits(of: Weights, cross: CrossStore, tokens: Tensor) -> Tensor:
    rows, width = tokens.shape
    own = OwnStore.empty(of, rows, width)
    hidden, _ = decode(of, own, cross, tokens, torch.zeros(rows, dtype=torch.int64), width)
    return functional.linear(hidden, of.embedding)


def assert_like_ctranslate2(directory: Path, tokens: list[int]) -> None:
    """Compare the encoder's output, and every logit of a text."""
    model = ctranslate2.models.Whisper(str(directory), device="cpu", compute_type="float32", intra_threads=1)
    of = Weights.of(read_checkpoint(directory), CPU, torch.float32)
    features = log_mels(2, 150, of.dims.mels)

    theirs = model.encode(ctranslate2.StorageView.from_array(features.numpy()))
    encoded = torch.from_numpy(as_array(theirs))
    [found, _] = model.generate(
        theirs,
        [tokens, tokens],
        beam_size=1,
        max_length=2 * TEXT_TOKENS,
        suppress_tokens=[],
        suppress_blank=False,
        return_logits_vocab=True,
    )
    with torch.inference_mode():
        torch.testing.assert_close(encode(of, features), encoded, atol=1e-3, rtol=0)
        text = torch.tensor([[*tokens, *found.sequences_ids[0][:-1]]])
        ours = logits(of, cross_store(encoded[:1], of), text)[0, len(tokens) - 1 :]
    steps = [torch.from_numpy(as_array(step)).reshape(-1) for step in found.logits[0]]
    assert len(steps) >= len(found.sequences_ids[0]) >= 1
    for mine, expected in zip(ours, steps, strict=False):
        allowed = expected > -1e9  # CTranslate2 masks what may not follow
        torch.testing.assert_close(mine[allowed], expected[allowed], atol=1e-3, rtol=0)
        assert mine.argmax() == expected.argmax() or not allowed.all()


def as_array(view: ctranslate2.StorageView) -> NDArray[np.float32]:
    return np.array(view)


def test_a_small_model_computes_what_ctranslate2_does(tmp_path: Path) -> None:
    assert_like_ctranslate2(write_micro_whisper(tmp_path), [50_258, 50_259, 50_359, 50_363])


def test_whisper_tiny_computes_what_ctranslate2_does() -> None:
    directory = model_directory("whisper-tiny.en")
    if directory is None:
        pytest.skip("no weights of tiny.en")
    assert_like_ctranslate2(directory, [50_257, 50_362])


@torch.inference_mode()
def test_a_row_of_a_batch_is_that_row_alone() -> None:
    features = log_mels(3, 64)
    tokens = torch.tensor([[257, 264, 5, 6], [257, 264, 99, 243], [261, 1, 2, 257]])
    encoded = encode(weights(), features)
    together = logits(weights(), cross_store(encoded, weights()), tokens)
    for row in range(3):
        alone = encode(weights(), features[row : row + 1])
        torch.testing.assert_close(alone, encoded[row : row + 1], atol=1e-4, rtol=0)
        found = logits(weights(), cross_store(alone, weights()), tokens[row : row + 1])
        torch.testing.assert_close(found, together[row : row + 1], atol=1e-3, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("widths", [[1] * 10, [4, 1, 5], [9, 1], [1, 9]])
def test_a_pass_of_many_tokens_is_as_many_passes_of_one(widths: list[int]) -> None:
    cross = cross_store(encode(weights(), log_mels(2, 48)), weights())
    tokens = torch.randint(0, 256, (2, 10), generator=torch.Generator().manual_seed(0))
    own = OwnStore.empty(weights(), 2)
    zeros = torch.zeros(2, dtype=torch.int64)
    whole, scores = decode(weights(), OwnStore.empty(weights(), 2), cross, tokens, zeros, 10, HEADS)
    assert scores is not None

    place = 0
    for width in widths:
        part = slice(place, place + width)
        hidden, of_heads = decode(weights(), own, cross, tokens[:, part], zeros + place, 16, HEADS)
        assert of_heads is not None
        torch.testing.assert_close(hidden, whole[:, part], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(of_heads, scores[:, :, part], atol=1e-3, rtol=1e-4)
        place += width


@torch.inference_mode()
def test_what_stands_behind_a_rows_text_is_never_seen() -> None:
    cross = cross_store(encode(weights(), log_mels(2, 48)), weights())
    tokens = torch.tensor([[257, 264, 5], [257, 264, 9]])
    clean, used = OwnStore.empty(weights(), 2), OwnStore.empty(weights(), 2)
    used.keys_values.copy_(torch.randn(used.keys_values.shape))
    places = torch.tensor([0, 0])

    expected, _ = decode(weights(), clean, cross, tokens, places, 3)
    found, _ = decode(weights(), used, cross, tokens, places, 64)

    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_tokens_beyond_the_context_change_nothing_within_it() -> None:
    cross = cross_store(encode(weights(), log_mels(1, 48)), weights())
    size = DIMS.text_positions
    tokens = torch.randint(0, 256, (1, size + 8), generator=torch.Generator().manual_seed(0))
    zero = torch.zeros(1, dtype=torch.int64)
    expected, _ = decode(weights(), OwnStore.empty(weights(), 1), cross, tokens[:, :size], zero, size)

    own = OwnStore.empty(weights(), 1)
    found, _ = decode(weights(), own, cross, tokens, zero, size)

    torch.testing.assert_close(found[:, :size], expected, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_views_of_rows_are_written_through() -> None:
    own = OwnStore.empty(weights(), 3)
    cross = cross_store(encode(weights(), log_mels(1, 48)), weights())
    decode(weights(), own.rows(1, 1), cross, torch.tensor([[257, 5]]), torch.tensor([0]), 2)
    stored = own.keys_values.abs().sum((0, 1, 3, 5))
    assert (stored > 0).tolist() == [
        [row == 1 and place < 2 for place in range(DIMS.text_positions + 1)] for row in range(3)
    ]


@torch.inference_mode()
def test_one_row_repeated_is_that_row() -> None:
    encoded = encode(weights(), log_mels(3, 48))
    tokens = torch.tensor([[257, 264, 5], [257, 264, 9]])
    store = cross_store(encoded, weights())
    expected = logits(weights(), cross_store(encoded[[1, 1]], weights()), tokens)
    torch.testing.assert_close(logits(weights(), store.repeated(1, 2), tokens), expected, atol=1e-3, rtol=0)


@torch.inference_mode()
def test_silence_of_one_position_with_the_mass_of_many_is_that_silence_many_times() -> None:
    dims = DIMS
    shape = (2, dims.encoder_layers, 2, dims.heads, 3, dims.width // dims.heads)
    few = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    many = few.repeat_interleave(16, 4)
    features = log_mels(2, 32)
    torch.testing.assert_close(
        encode(weights(), features, SilentTail(few, float(np.log(16)))),
        encode(weights(), features, SilentTail(many, 0.0)),
        atol=1e-4,
        rtol=1e-4,
    )


class Recorded(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types for it
    """Notes the operations that torch computes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: object, types: object, args: tuple[object, ...] = (), kwargs: dict[str, object] | None = None
    ) -> object:
        assert callable(func)
        self.names.add(str(func))
        return func(*args, **(kwargs or {}))


def fake_weights(dims: Dims) -> Weights:
    tensors = {name: torch.empty(shape, dtype=torch.float16) for name, shape in tensor_shapes(dims).items()}
    return Weights.of(Checkpoint(dims, tensors, HEADS, is_multilingual=True), CPU, torch.float16)


def test_all_passes_of_large_v3_turbo_can_be_captured() -> None:
    """A branch on what a tensor holds raises, for these tensors hold nothing."""
    passes = GRAPHS.all_passes(64)
    assert len(passes) > 50
    with FakeTensorMode(), torch.inference_mode():
        slots = Slots(fake_weights(TURBO), Rules(vocabulary(), TURBO.vocabulary, CPU), 64, HEADS, 300)
        for shape in passes[:: len(passes) // 12]:
            slots.advance(shape)
            slots.advance(shape, is_random=True)


def test_the_encoder_of_large_v3_turbo_can_be_captured() -> None:
    with FakeTensorMode(), torch.inference_mode():
        of = fake_weights(TURBO)
        tail = torch.empty(16, TURBO.encoder_layers, 2, TURBO.heads, 82, 64, dtype=torch.float16)
        encoded = encode(of, torch.empty(16, 128, 384, dtype=torch.float16), SilentTail(tail, 2.77))
        assert encoded.shape == (16, 192, 1280)
        assert project(of, encoded).shape == (4, 2, 16, 20, 192, 64)


def test_a_pass_copies_nothing_from_the_host_and_waits_for_nothing() -> None:
    of = Weights.of(checkpoint(replace(DIMS, audio_positions=1500, text_positions=448)), CPU, torch.float32)
    slots = Slots(of, rules(), 64, HEADS, 262)
    with torch.inference_mode(), Recorded() as recorded:
        for shape in GRAPHS.all_passes(64)[-6:]:
            slots.advance(shape)
    copies = {"aten.lift_fresh", "aten._local_scalar_dense", "aten.nonzero", "aten.is_nonzero", "aten.item"}
    assert not {name for name in recorded.names if name.removesuffix(".default") in copies}
    assert any("scaled_dot_product" in name or "bmm" in name for name in recorded.names)
