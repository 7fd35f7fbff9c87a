"""Moonshine's files from a server: valid ones, invalid ones, and missing ones."""

import hashlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from decoder.engines.moonshine.download import download
from decoder.types import ModelError
from tests.http_server import serving_http

CONTENT = {"encoder_model.ort": b"encoder" * 1_000, "tokenizer.bin": b"tokenizer"}
SUMS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder without logging."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep the test's output quiet."""


@pytest.fixture
def served(tmp_path: Path) -> Path:
    folder = tmp_path / "served"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def url(served: Path) -> Iterator[str]:
    with serving_http(partial(Handler, directory=str(served))) as address:
        yield address


def laid_out(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_all_files_are_downloaded(url: str, tmp_path: Path) -> None:
    assert download(SUMS, tmp_path / "model", url) == tmp_path / "model"
    assert laid_out(tmp_path / "model") == CONTENT


def test_valid_files_are_not_downloaded_again(url: str, served: Path, tmp_path: Path) -> None:
    download(SUMS, tmp_path / "model", url)
    (served / "encoder_model.ort").unlink()
    (tmp_path / "model" / "tokenizer.bin").write_bytes(b"broken")

    download(SUMS, tmp_path / "model", url)

    assert laid_out(tmp_path / "model") == CONTENT


def test_a_file_with_a_wrong_checksum_is_refused_and_deleted(url: str, served: Path, tmp_path: Path) -> None:
    (served / "tokenizer.bin").write_bytes(b"of another version")
    with pytest.raises(ModelError, match=r"/tokenizer\.bin has SHA-256 \w+, expected \w+"):
        download(SUMS, tmp_path / "model", url)
    assert laid_out(tmp_path / "model").keys() == {"encoder_model.ort"}


def test_a_file_that_is_missing_is_an_error_with_advice(url: str, served: Path, tmp_path: Path) -> None:
    (served / "encoder_model.ort").unlink()
    with pytest.raises(ModelError, match=r"cannot be downloaded: .*404.*; or set --model to a directory"):
        download(SUMS, tmp_path / "model", url)
    assert laid_out(tmp_path / "model") == {}


def test_without_a_network_the_error_has_advice(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"http://127\.0\.0\.1:9/x cannot be downloaded: .+; or set --model to a directory"
    ):
        download(SUMS, tmp_path / "model", "http://127.0.0.1:9/x")
