import json
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from decoder.engines.torch_whisper.safetensors_file import read_safetensors
from decoder.types import ModelError
from tests.checkpoints import safetensors

TENSORS = {
    "half": torch.arange(3, dtype=torch.float16),
    "brain": torch.ones(2, 1, 2, dtype=torch.bfloat16),
    "single": torch.tensor([[0.1, 0.2]]),
}
SMALL = safetensors(TENSORS)
HEADER_BYTES = 8 + struct.unpack("<Q", SMALL[:8])[0]


def read(tmp_path: Path, stored: bytes) -> dict[str, Tensor]:
    path = tmp_path / "model.safetensors"
    path.write_bytes(stored)
    return read_safetensors(path)


def with_header(header: object, numbers: bytes = bytes(64)) -> bytes:
    described = json.dumps(header).encode()
    return struct.pack("<Q", len(described)) + described + numbers


def test_tensors_are_read_as_they_are_stored(tmp_path: Path) -> None:
    found = read(tmp_path, SMALL)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def entry(**fields: object) -> dict[str, object]:
    return {"w": {"dtype": "F16", "shape": [2, 2], "data_offsets": [0, 8], **fields}}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (entry(dtype="I8"), "w is stored as I8: expected F32, F16, BF16"),
        (entry(dtype=16), "Expected `str`"),
        (entry(data_offsets=[0, 9]), "expected 8 bytes"),
        (entry(data_offsets=[60, 68]), "incomplete"),
        (entry(data_offsets=[-8, 0]), "begins at offset -8"),
        (entry(data_offsets=[8, 0]), "expected 8 bytes"),
        (entry(data_offsets=[0]), "length 2"),
        (entry(shape=[10**30, 10**30]), "expected"),
        (entry(shape=[2, -2]), "each ≥ 1"),
        (entry(shape=[]), "expected 2 bytes"),
        ({"w": None}, "Expected `object`"),
        ([], "Expected `object`"),
        ({"w": {"dtype": "F16", "shape": [1]}}, "data_offsets"),
    ],
)
def test_headers_that_contradict_the_file_are_refused(tmp_path: Path, header: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read(tmp_path, with_header(header))


def test_a_header_longer_than_any_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"header of 18446744073709551615 bytes: expected at most 100000000"):
        read(tmp_path, b"\xff" * 8 + SMALL[8:])


@given(length=st.integers(0, len(SMALL) - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(ModelError):
        read(tmp_path, SMALL[:length])


@given(flips=st.lists(st.integers(0, 8 * HEADER_BYTES - 1), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_a_header_with_wrong_bits_is_read_or_refused(tmp_path: Path, flips: list[int]) -> None:
    stored = bytearray(SMALL)
    for bit in flips:
        stored[bit // 8] ^= 1 << bit % 8
    try:
        read(tmp_path, bytes(stored))
    except ModelError:
        return
