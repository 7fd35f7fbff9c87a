from dataclasses import asdict

import pytest

from decoder.engines.torch_whisper.dims import Dims, tensor_shapes

TINY = Dims(mels=80, width=384, heads=6, encoder_layers=4, decoder_layers=4, vocabulary=51_865)


def test_whisper_tiny_has_167_tensors_and_37_760_640_numbers() -> None:
    numbers = 0
    for shape in tensor_shapes(TINY).values():
        size = 1
        for dimension in shape:
            size *= dimension
        numbers += size
    assert len(tensor_shapes(TINY)) == 167
    assert numbers == 37_760_640


def test_keys_have_no_bias() -> None:
    names = tensor_shapes(TINY).keys()
    assert not [name for name in names if name.endswith("k_proj.bias")]
    assert len([name for name in names if name.endswith("k_proj.weight")]) == 12


@pytest.mark.parametrize(
    ("name", "size"), [("mels", 0), ("width", 385), ("encoder_layers", 10**6), ("decoder_layers", -1), ("heads", 0)]
)
def test_sizes_that_no_whisper_has_are_refused(name: str, size: int) -> None:
    with pytest.raises(ValueError, match=f"{name} {size}: expected"):
        Dims(**{**asdict(TINY), name: size})
