from pathlib import Path

import msgspec
import pytest

from decoder.engines.torch_whisper.json_file import MAX_BYTES, decoded, read_json
from decoder.types import ModelError

PATH = Path("config.json")


class Sizes(msgspec.Struct):
    width: int
    heads: int = 1


def test_fields_are_read_by_name_and_others_left_out(tmp_path: Path) -> None:
    (tmp_path / PATH).write_text('{"width": 3, "architectures": ["any"]}')
    assert read_json(tmp_path / PATH, Sizes) == Sizes(3)


@pytest.mark.parametrize(
    "stored", [b"", b"{", b"\xff", b'{"width": "3"}', b'{"heads": 3}', b"[" * 100_000, b'{"width": 1e999}']
)
def test_what_is_not_expected_is_refused(stored: bytes) -> None:
    with pytest.raises(ModelError, match=r"config\.json is invalid"):
        decoded(stored, Sizes, PATH)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ModelError, match="width"):
        decoded(b"{}", Sizes, PATH)


def test_a_file_that_is_missing_or_huge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read_json(tmp_path / PATH, Sizes)
    with (tmp_path / PATH).open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ModelError, match=f"expected at most {MAX_BYTES}"):
        read_json(tmp_path / PATH, Sizes)
