import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoder.engines.torch_whisper.openai_model import read_openai
from decoder.types import ModelError
from tests.checkpoints import DIMS, random_tensors, write_openai


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._target,)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_openai(tmp_path_factory.mktemp("model") / "model.pt", random_tensors()).read_bytes()


def saved(path: Path, **parts: object) -> Path:
    torch.save(parts, path)
    return path


def test_sizes_and_names_become_ours(tmp_path: Path) -> None:
    tensors = random_tensors()
    model = read_openai(write_openai(tmp_path / "any.pt", tensors))
    assert model.dims == DIMS
    assert model.tensors.keys() == tensors.keys()


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    target = tmp_path / "harm"
    path = saved(tmp_path / "any.pt", dims=Harmful(target), model_state_dict={})
    with pytest.raises(ModelError, match="is refused: it is damaged, or has code: expected tensors and plain values"):
        read_openai(path)
    assert not target.exists()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"model": {}}, "expected dims and model_state_dict"),
        ({"dims": {"n_mels": 80}, "model_state_dict": {}}, "expected whole numbers for n_mels"),
        ({"dims": [1], "model_state_dict": {}}, "expected whole numbers"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, parts: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_openai(saved(tmp_path / "any.pt", **parts))


@pytest.mark.parametrize(
    ("sizes", "tensors", "message"),
    [
        ({"n_text_state": 9}, {}, "n_text_state is 9: expected 8 as n_audio_state"),
        ({"n_text_layer": 1 << 60}, {}, "decoder_layers 1152921504606846976: expected 1–256"),
        ({"n_mels": True}, {}, "expected whole numbers"),
        ({}, [1], "model_state_dict is list: expected tensors by name"),
        ({}, {"encoder.conv1.weight": 1}, "has 'encoder.conv1.weight', int: expected tensors by name"),
        ({}, {1: torch.zeros(1)}, "has 1, Tensor: expected tensors by name"),
    ],
)
def test_sizes_and_tensors_that_no_whisper_has_are_refused(
    tmp_path: Path, sizes: dict[str, int], tensors: object, message: str
) -> None:
    path = write_openai(tmp_path / "any.pt", random_tensors())
    dims = torch.load(path, weights_only=True)["dims"]
    with pytest.raises(ModelError, match=message):
        read_openai(saved(path, dims=dims | sizes, model_state_dict=tensors))


def test_torchs_format_before_1_6_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "any.pt"
    torch.save({}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match=r"no archive as torch ≥ 1\.6 saves them"):
        read_openai(path)


def test_a_compressed_archive_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "any.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("any/data.pkl", bytes(1 << 20))
    with pytest.raises(ModelError, match=r"a compressed part, 'any/data\.pkl' of 1048576 bytes"):
        read_openai(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"any\.pt"):
        read_openai(tmp_path / "any.pt")


@given(share=st.floats(0, 1, exclude_max=True))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, stored: bytes, share: float) -> None:
    path = tmp_path / "any.pt"
    path.write_bytes(stored[: int(share * len(stored))])
    with pytest.raises(ModelError):
        read_openai(path)


@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
def test_a_file_with_wrong_bits_is_read_or_refused(
    tmp_path: Path, stored: bytes, flips: list[tuple[float, int]]
) -> None:
    changed = bytearray(stored)
    for share, bit in flips:
        changed[int(share * len(stored))] ^= 1 << bit
    path = tmp_path / "any.pt"
    path.write_bytes(changed)
    try:
        read_openai(path)
    except ModelError:
        return
