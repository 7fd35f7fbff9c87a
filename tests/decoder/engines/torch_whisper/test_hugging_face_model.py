import json
from pathlib import Path

import pytest

from decoder.engines.torch_whisper.hugging_face_model import read_hugging_face
from decoder.types import ModelError
from tests.checkpoints import DIMS, random_tensors, safetensors, write_hugging_face


def changed(directory: Path, **fields: object) -> Path:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return directory


def test_names_with_and_without_the_leading_model_are_the_same_and_the_output_is_left_out(tmp_path: Path) -> None:
    tensors = random_tensors()
    write_hugging_face(tmp_path, tensors)
    prefixed = read_hugging_face(tmp_path).tensors
    output = {"proj_out.weight": tensors["decoder.embed_tokens.weight"]}
    (tmp_path / "model.safetensors").write_bytes(safetensors(tensors | output))
    plain = read_hugging_face(tmp_path).tensors
    assert prefixed.keys() == plain.keys() == tensors.keys()


@pytest.mark.parametrize(
    ("field", "setting", "message"),
    [
        ("model_type", "bart", "bart, gelu, False, True: expected whisper, gelu, False, True"),
        ("activation_function", "relu", "expected whisper, gelu"),
        ("tie_word_embeddings", False, "expected whisper, gelu, False, True"),
        ("decoder_attention_heads", 4, "2 and 4 heads: expected as many"),
        ("encoder_layers", 10**9, "encoder_layers 1000000000: expected"),
        ("d_model", "8", "Expected `int`"),
    ],
)
def test_models_of_another_kind_are_refused(tmp_path: Path, field: str, setting: object, message: str) -> None:
    directory = changed(write_hugging_face(tmp_path, random_tensors()), **{field: setting})
    with pytest.raises(ModelError, match=message):
        read_hugging_face(directory)


def test_without_a_generation_config_no_heads_are_known(tmp_path: Path) -> None:
    write_hugging_face(tmp_path, random_tensors())
    (tmp_path / "generation_config.json").unlink()
    model = read_hugging_face(tmp_path)
    assert (model.dims, model.alignment_heads) == (DIMS, None)


def test_without_a_config_a_model_is_refused(tmp_path: Path) -> None:
    write_hugging_face(tmp_path, random_tensors())
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        read_hugging_face(tmp_path)


def indexed(directory: Path, shard_of: dict[str, str]) -> Path:
    write_hugging_face(directory, random_tensors(), shards=2)
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shard_of}))
    return directory


@pytest.mark.parametrize("shard", ["../model-0.safetensors", "/etc/passwd", "", "..", "a\0", "a/b", "..\\a"])
def test_an_index_names_files_of_its_own_directory_only(tmp_path: Path, shard: str) -> None:
    with pytest.raises(ModelError):
        read_hugging_face(indexed(tmp_path, {"w": shard}))


def test_a_shard_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model-7\.safetensors cannot be read"):
        read_hugging_face(indexed(tmp_path, {"w": "model-7.safetensors"}))


def test_a_tensor_that_its_shard_has_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"w is not in model-0\.safetensors"):
        read_hugging_face(indexed(tmp_path, {"w": "model-0.safetensors"}))
