from dataclasses import replace
from pathlib import Path

import pytest
import torch

from decoder.engines.torch_whisper.stored_model import StoredModel, check_model
from decoder.types import ModelError
from tests.checkpoints import DIMS, HEADS, random_tensors

MODEL = StoredModel(Path("model.pt"), DIMS, random_tensors(), HEADS)


def test_a_whole_model_passes() -> None:
    check_model(MODEL)
    check_model(replace(MODEL, alignment_heads=None))


def test_missing_tensors_are_named_but_not_all_of_them() -> None:
    encoder = {name: tensor for name, tensor in MODEL.tensors.items() if not name.startswith("decoder.")}
    with pytest.raises(ModelError, match=r"missing: decoder\.embed_tokens\.weight, .* and 49 more$") as raised:
        check_model(replace(MODEL, tensors=encoder))
    assert len(str(raised.value)) < 300


def test_unexpected_tensors_are_named() -> None:
    more = MODEL.tensors | {"encoder.layers.7.fc1.bias": torch.zeros(1)}
    with pytest.raises(ModelError, match=r"unexpected: encoder\.layers\.7\.fc1\.bias$"):
        check_model(replace(MODEL, tensors=more))


@pytest.mark.parametrize(
    "tensor", [torch.zeros(8, dtype=torch.float64), torch.zeros(8).to_sparse(), torch.zeros(8, device="meta")]
)
def test_tensors_that_are_no_plain_floats_are_named(tensor: torch.Tensor) -> None:
    with pytest.raises(ModelError, match=r"wrong: decoder\.layer_norm\.bias"):
        check_model(replace(MODEL, tensors=MODEL.tensors | {"decoder.layer_norm.bias": tensor}))


@pytest.mark.parametrize("head", [(2, 0), (0, 2), (-1, 0), (0, -1)])
def test_alignment_heads_that_the_model_has_not_are_refused(head: tuple[int, int]) -> None:
    with pytest.raises(ModelError, match="expected layers 0–1, heads 0–1"):
        check_model(replace(MODEL, alignment_heads=(*HEADS, head)))
