from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from decoder.engines.torch_whisper.checkpoint import random_checkpoint, read_checkpoint
from decoder.engines.torch_whisper.dims import Dims, tensor_shapes
from decoder.types import ModelError
from tests.checkpoints import DIMS, HEADS, random_tensors, write_ctranslate2, write_hugging_face, write_openai
from tests.contracts.engines import digits_model, write_micro_whisper
from tools.real_models import model_directory

UPPER_HALF = ((1, 0), (1, 1))


def written_as_openai(directory: Path, tensors: Mapping[str, Tensor]) -> Path:
    return write_openai(directory / "model.pt", tensors).parent


WRITERS = (write_hugging_face, write_ctranslate2, written_as_openai)
Writer = Callable[[Path, Mapping[str, Tensor]], Path]


def assert_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("write", WRITERS)
def test_every_format_gives_the_tensors_that_were_written(write: Writer, dtype: torch.dtype, tmp_path: Path) -> None:
    tensors = random_tensors(dtype=dtype)
    checkpoint = read_checkpoint(write(tmp_path, tensors))
    assert_same(checkpoint.tensors, tensors)
    assert checkpoint.dims == DIMS
    assert not checkpoint.is_multilingual


@pytest.mark.parametrize("write", [write_hugging_face, write_ctranslate2])
def test_alignment_heads_are_those_that_the_files_name(write: Writer, tmp_path: Path) -> None:
    assert read_checkpoint(write(tmp_path, random_tensors())).alignment_heads == HEADS


def test_alignment_heads_are_all_of_the_upper_half_where_no_file_names_them(tmp_path: Path) -> None:
    path = write_openai(tmp_path / "any.pt", random_tensors())
    assert read_checkpoint(path).alignment_heads == UPPER_HALF


def test_shards_give_what_one_file_gives(tmp_path: Path) -> None:
    tensors = random_tensors(dtype=torch.bfloat16)
    whole = read_checkpoint(write_hugging_face(tmp_path / "whole", tensors))
    sharded = read_checkpoint(write_hugging_face(tmp_path / "sharded", tensors, shards=3))
    assert_same(sharded.tensors, whole.tensors)
    assert_same(sharded.tensors, tensors)


def test_safetensors_come_before_a_binary_and_a_binary_before_openais_file(tmp_path: Path) -> None:
    written_as_openai(tmp_path, random_tensors(seed=1))
    write_ctranslate2(tmp_path, random_tensors(seed=2))
    assert_same(read_checkpoint(tmp_path).tensors, random_tensors(seed=2))
    write_hugging_face(tmp_path, random_tensors(seed=3))
    assert_same(read_checkpoint(tmp_path).tensors, random_tensors(seed=3))


def test_openais_file_is_a_model_by_itself(tmp_path: Path) -> None:
    tensors = random_tensors()
    write_openai(tmp_path / "other.pt", random_tensors(seed=1))
    assert_same(read_checkpoint(write_openai(tmp_path / "any.pt", tensors)).tensors, tensors)


def test_a_directory_of_two_files_of_openai_is_refused(tmp_path: Path) -> None:
    write_openai(tmp_path / "any.pt", random_tensors())
    write_openai(tmp_path / "other.pt", random_tensors())
    with pytest.raises(ModelError, match=r"has 2 \*\.pt: expected .*one \*\.pt"):
        read_checkpoint(tmp_path)


def test_a_directory_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weights of Whisper: expected model\.safetensors"):
        read_checkpoint(tmp_path)
    with pytest.raises(ModelError, match="does not exist"):
        read_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("write", WRITERS)
def test_a_tensor_of_another_shape_is_named(write: Writer, tmp_path: Path) -> None:
    tensors = random_tensors() | {"decoder.layers.1.fc1.bias": torch.ones(3, dtype=torch.float16)}
    with pytest.raises(ModelError, match=r"wrong: decoder\.layers\.1\.fc1\.bias is float16\[3\].*\[32\]"):
        read_checkpoint(write(tmp_path, tensors))


def test_the_vocabulary_tells_a_multilingual_model() -> None:
    small = Dims(mels=2, width=2, heads=1, encoder_layers=1, decoder_layers=1, vocabulary=51_864)
    assert not random_checkpoint(small).is_multilingual
    assert random_checkpoint(replace(small, vocabulary=51_865)).is_multilingual
    assert random_checkpoint(replace(small, vocabulary=51_866)).is_multilingual


def test_random_tensors_have_the_shapes_of_their_sizes_and_depend_on_the_seed_alone() -> None:
    checkpoint = random_checkpoint(DIMS, seed=1)
    assert {name: tuple(tensor.shape) for name, tensor in checkpoint.tensors.items()} == tensor_shapes(DIMS)
    assert all(bool(tensor.isfinite().all()) for tensor in checkpoint.tensors.values())
    assert_same(random_checkpoint(DIMS, seed=1).tensors, checkpoint.tensors)
    other = random_checkpoint(DIMS, seed=2).tensors["encoder.conv1.weight"]
    assert not torch.equal(other, checkpoint.tensors["encoder.conv1.weight"])


def test_random_weights_neither_grow_nor_shrink_what_they_are_applied_to() -> None:
    wide = Dims(mels=80, width=256, heads=4, encoder_layers=4, decoder_layers=1, vocabulary=40_000)
    tensors = random_checkpoint(wide).tensors
    for name, power in (("encoder.layers.0.fc1", 1.0), ("encoder.layers.3.fc2", 1 / 4), ("encoder.conv1", 1.0)):
        weight = tensors[f"{name}.weight"].float().flatten(1)
        rows = weight @ torch.randn(weight.shape[1], generator=torch.Generator().manual_seed(0))
        assert rows.square().mean().item() == pytest.approx(power, rel=0.5)
    assert len(torch.unique(tensors["decoder.embed_tokens.weight"], dim=0)) == wide.vocabulary


def test_a_quantised_model_is_within_half_a_step_of_the_one_it_was_made_of() -> None:
    quantised = digits_model()
    if quantised is None:
        pytest.skip("no digits model")
    exact = read_checkpoint(quantised.with_name("digits-hf"))
    rounded = read_checkpoint(quantised)
    assert (rounded.dims, rounded.alignment_heads) == (exact.dims, exact.alignment_heads)
    for name, tensor in exact.tensors.items():
        rows = tensor.float().flatten(1) if tensor.dim() > 1 else tensor.float()[None]
        step = rows.abs().amax(1, keepdim=True) / 127
        error = (rounded.tensors[name].float().view_as(rows) - rows).abs()
        rounding = rows.abs() * 2**-11 + 2**-24  # of the exact one to float16
        assert bool((error <= step * 0.5 + rounding).all()), name


@pytest.mark.parametrize(("name", "is_multilingual"), [("whisper-tiny.en", False), ("whisper-base", True)])
def test_real_models_are_read(name: str, *, is_multilingual: bool) -> None:
    directory = model_directory(name)
    if directory is None:
        pytest.skip(f"no {name}")
    checkpoint = read_checkpoint(directory)
    assert checkpoint.is_multilingual is is_multilingual
    assert {tensor.dtype for tensor in checkpoint.tensors.values()} == {torch.float16}
    positions = checkpoint.tensors["encoder.embed_positions.weight"].float()  # sines, which training left alone
    assert positions[0, : checkpoint.dims.width // 2].abs().max().item() == 0.0
    assert positions[1, 0].item() == pytest.approx(0.8415, abs=1e-3)


def test_equal_tensors_that_the_binary_has_once_are_there_under_all_of_their_names(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_micro_whisper(tmp_path))
    assert checkpoint.dims == Dims(80, 64, 2, 1, 2, 51_865)
    assert checkpoint.is_multilingual
    assert bool((checkpoint.tensors["decoder.layers.1.self_attn.q_proj.bias"] == 0).all())
