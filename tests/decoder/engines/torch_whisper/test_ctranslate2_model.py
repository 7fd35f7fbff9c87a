import json
from pathlib import Path

import pytest
import torch

from decoder.engines.torch_whisper.ctranslate2_model import read_ctranslate2
from decoder.types import ModelError
from tests.checkpoints import DIMS, HEADS, random_tensors, write_ctranslate2


@pytest.mark.parametrize(
    ("quantization", "dtype", "steps"),
    [
        ("int8_float32", torch.float32, 127),
        ("int8_float16", torch.float16, 127),
        ("int8_bfloat16", torch.bfloat16, 127),
        ("int16", torch.float32, 1024),
    ],
)
def test_quantised_models_are_read_within_a_step(
    tmp_path: Path, quantization: str, dtype: torch.dtype, steps: int
) -> None:
    tensors = random_tensors(dtype=torch.float32)
    found = read_ctranslate2(write_ctranslate2(tmp_path, tensors, quantization=quantization)).tensors
    rounding = torch.finfo(dtype).eps
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == dtype, name
        greatest = max(tensors[other].abs().max() for other in tensors)
        assert (found[name].float() - tensor).abs().max() <= greatest * (0.51 / steps + rounding), name


@pytest.mark.parametrize(("quantization", "dtype"), [("float16", torch.float16), ("bfloat16", torch.bfloat16)])
def test_floats_stay_as_they_are_stored(tmp_path: Path, quantization: str, dtype: torch.dtype) -> None:
    tensors = random_tensors(dtype=torch.float32)
    found = read_ctranslate2(write_ctranslate2(tmp_path, tensors, quantization=quantization)).tensors
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor.to(dtype)), name


def test_sizes_come_from_the_shapes_and_heads_from_the_config(tmp_path: Path) -> None:
    model = read_ctranslate2(write_ctranslate2(tmp_path, random_tensors()))
    assert (model.dims, model.alignment_heads) == (DIMS, HEADS)


@pytest.mark.parametrize("config", [None, {}, {"alignment_heads": None}])
def test_without_heads_in_a_config_none_are_known(tmp_path: Path, config: dict[str, None] | None) -> None:
    write_ctranslate2(tmp_path, random_tensors())
    (tmp_path / "config.json").unlink()
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_ctranslate2(tmp_path).alignment_heads is None


def test_a_config_of_another_kind_is_refused(tmp_path: Path) -> None:
    write_ctranslate2(tmp_path, random_tensors())
    (tmp_path / "config.json").write_text('{"alignment_heads": [[1]]}')
    with pytest.raises(ModelError, match=r"config\.json is invalid"):
        read_ctranslate2(tmp_path)


def test_a_binary_without_the_first_convolution_is_refused(tmp_path: Path) -> None:
    path = write_ctranslate2(tmp_path, random_tensors()) / "model.bin"
    path.write_bytes(path.read_bytes().replace(b"encoder/conv1/weight", b"encoder/conv9/weight"))
    with pytest.raises(ModelError, match="has no encoder/conv1/weight of 3 dimensions"):
        read_ctranslate2(tmp_path)


def test_variables_that_whisper_has_not_keep_their_names(tmp_path: Path) -> None:
    path = write_ctranslate2(tmp_path, random_tensors()) / "model.bin"
    path.write_bytes(path.read_bytes().replace(b"encoder/conv2/weight", b"encoder/conv9/weight"))
    assert "encoder/conv9/weight" in read_ctranslate2(tmp_path).tensors
