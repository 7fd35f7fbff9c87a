from pathlib import Path

import pytest
import torch

from decoder.engines.torch_whisper.mapped_file import MappedFile
from decoder.types import ModelError

STORED = bytes(range(16))


@pytest.fixture
def file(tmp_path: Path) -> MappedFile:
    path = tmp_path / "weights"
    path.write_bytes(STORED)
    return MappedFile(path)


@pytest.mark.parametrize("start", [0, 1, 2, 3, 4])
def test_tensors_are_read_from_any_byte_on(file: MappedFile, start: int) -> None:
    tensor = file.tensor("any", torch.int16, (2, 3), (start, start + 12))
    assert tensor.view(torch.uint8).flatten().tolist() == list(STORED[start : start + 12])


def test_writing_to_a_tensor_leaves_the_file_alone(file: MappedFile) -> None:
    file.tensor("any", torch.float32, (4,), (0, 16)).zero_()
    assert file.path.read_bytes() == STORED


def test_attributes_have_no_dimension(file: MappedFile) -> None:
    assert file.tensor("any", torch.int8, (), (5, 6)).item() == 5


@pytest.mark.parametrize(
    ("shape", "span", "message"),
    [
        ((2,), (12, 20), "incomplete: any ends at byte 20, the file at 16"),
        ((2,), (0, 4), "bytes 0–4: expected 8"),
        ((2,), (8, 0), "bytes 8–0: expected 8"),
        ((2,), (-8, 0), "bytes -8–0"),
        ((1 << 40, 1 << 40), (0, 16), "expected"),
        ((0, 1 << 70), (0, 0), "each ≥ 1"),
        ((-1, -4), (0, 16), "each ≥ 1"),
        ((1,) * 100, (0, 4), "at most 3 dimensions"),
    ],
)
def test_a_shape_and_a_place_that_cannot_be_are_refused(
    file: MappedFile, shape: tuple[int, ...], span: tuple[int, int], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        file.tensor("any", torch.float32, shape, span)


def test_a_file_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        MappedFile(tmp_path / "missing")
    (tmp_path / "empty").touch()
    with pytest.raises(ModelError, match="cannot be read"):
        MappedFile(tmp_path / "empty")
