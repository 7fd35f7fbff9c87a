import struct
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoder.engines.torch_whisper.model_bin import ModelBin
from decoder.types import ModelError

FLOAT32, INT8, INT16, INT32, FLOAT16, BFLOAT16 = range(6)

Stored = tuple[str, tuple[int, ...], int, bytes]


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def binary(*variables: Stored, aliases: tuple[tuple[str, str], ...] = (), spec: str = "WhisperSpec") -> bytes:
    parts = [struct.pack("<I", 6), text(spec), struct.pack("<II", 3, len(variables))]
    for name, shape, kind, numbers in variables:
        layout = f"<B{len(shape)}IBI"
        parts += [text(name), struct.pack(layout, len(shape), *shape, kind, len(numbers)), numbers]
    parts.append(struct.pack("<I", len(aliases)))
    parts += [text(alias) + text(name) for alias, name in aliases]
    return b"".join(parts)


def floats(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


SCALE: Stored = ("m/weight_scale", (2,), FLOAT32, floats(2.0, 4.0))
WEIGHT: Stored = ("m/weight", (2, 2), INT8, struct.pack("<4b", 2, -4, 8, 1))
SMALL = binary(WEIGHT, SCALE, ("heads", (), INT16, b"\x02\0"), aliases=(("n/weight", "m/weight"),))


def opened(tmp_path: Path, stored: bytes) -> ModelBin:
    path = tmp_path / "model.bin"
    path.write_bytes(stored)
    return ModelBin(path)


def read_all(tmp_path: Path, stored: bytes) -> None:
    model = opened(tmp_path, stored)
    for name in model.variables:
        model.weight(name)


def test_int8_is_divided_by_the_scale_of_its_row(tmp_path: Path) -> None:
    weight = opened(tmp_path, SMALL).weight("m/weight")
    assert weight.dtype == torch.float32
    assert weight.tolist() == [[1.0, -2.0], [2.0, 0.25]]


def test_int16_is_divided_by_the_one_scale(tmp_path: Path) -> None:
    numbers = struct.pack("<3h", 1024, -512, 1)
    model = opened(
        tmp_path, binary(("m/weight", (3, 1), INT16, numbers), ("m/weight_scale", (), FLOAT32, floats(1024.0)))
    )
    assert model.weight("m/weight").flatten().tolist() == [1.0, -0.5, 2**-10]


def test_the_weights_of_a_quantised_file_become_what_its_other_weights_are(tmp_path: Path) -> None:
    norm: Stored = ("decoder/layer_norm/gamma", (1,), BFLOAT16, b"\x80\x3f")
    model = opened(tmp_path, binary(WEIGHT, SCALE, norm))
    assert model.weight("m/weight").dtype == torch.bfloat16
    assert model.weight("decoder/layer_norm/gamma").tolist() == [1.0]


def test_floats_stay_as_they_are_stored(tmp_path: Path) -> None:
    stored = torch.randn(3, 2).half()
    model = opened(tmp_path, binary(("m/weight", (3, 2), FLOAT16, stored.numpy().tobytes())))
    assert torch.equal(model.weight("m/weight"), stored)


def test_an_alias_has_the_scale_of_the_weight_that_it_stands_for(tmp_path: Path) -> None:
    model = opened(tmp_path, SMALL)
    assert torch.equal(model.weight("n/weight"), model.weight("m/weight"))
    assert model.is_scale("n/weight_scale")
    assert not model.is_scale("n/weight")


def test_attributes_are_numbers_without_a_dimension(tmp_path: Path) -> None:
    model = opened(tmp_path, SMALL)
    assert model.attribute("heads") == 2
    for name in ("layers", "m/weight"):
        with pytest.raises(ModelError, match=f"no number '{name}'"):
            model.attribute(name)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ([("m/weight", (1,), INT32, bytes(4))], "stored as int32: expected float32, float16, bfloat16, int8, int16"),
        ([("m/weight", (1,), 6, bytes(4))], "of type 6: expected 0–5"),
        ([("m/weight", (3,), FLOAT32, bytes(8))], "expected 12 bytes"),
        ([WEIGHT], "stored as int8, and has no scale"),
        ([WEIGHT, ("m/weight_scale", (3,), FLOAT32, floats(1, 1, 1))], "expected float32, one number or 2"),
        ([WEIGHT, ("m/weight_scale", (2,), INT8, b"\1\1")], "expected float32, one number or 2"),
        ([WEIGHT, ("m/weight_scale", (2,), FLOAT32, floats(1, 0))], "not positive"),
        ([WEIGHT, ("m/weight_scale", (2,), FLOAT32, floats(1, float("nan")))], "not positive"),
    ],
)
def test_weights_of_another_kind_are_refused(tmp_path: Path, variables: list[Stored], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        opened(tmp_path, binary(*variables)).weight("m/weight")


def test_another_model_and_another_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is 'TransformerSpec', revision 3.* expected 'WhisperSpec'"):
        opened(tmp_path, binary(spec="TransformerSpec"))
    with pytest.raises(ModelError, match=r"version 5.* in version 6"):
        opened(tmp_path, struct.pack("<I", 5) + binary()[4:])


def test_an_alias_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'n' stands for 'm', which is not in the file"):
        opened(tmp_path, binary(aliases=(("n", "m"),)))


@given(length=st.integers(0, len(SMALL) - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(ModelError):
        read_all(tmp_path, SMALL[:length])


@given(flips=st.lists(st.integers(0, 8 * len(SMALL) - 1), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_a_file_with_wrong_bits_is_read_or_refused(tmp_path: Path, flips: list[int]) -> None:
    stored = bytearray(SMALL)
    for bit in flips:
        stored[bit // 8] ^= 1 << bit % 8
    try:
        read_all(tmp_path, bytes(stored))
    except ModelError:
        return
