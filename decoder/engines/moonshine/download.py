"""Downloads Moonshine's files from its makers, and verifies their checksums."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from decoder.packaged_models import sha256_of
from decoder.types import ModelError

__all__ = ["TINY_EN_URL", "download"]

TINY_EN_URL = "https://download.moonshine.ai/model/tiny-en/quantized/tiny-en"
"""The URL that Moonshine AI's own package downloads from (moonshine-voice 0.0.73, `download.py`)."""

TIMEOUT_S = 30.0
"""Timeout for connecting, and for each read."""


def download(files: Mapping[str, str], directory: Path, url: str = TINY_EN_URL) -> Path:
    """Download the missing files of a model and return its directory; on a terminal, display a progress bar.

    Args:
        files: name → SHA-256.
        directory: where the files are stored.
        url: of the folder with the files.

    Raises:
        ModelError: the server cannot be reached, refuses a file, or sends one with the wrong checksum.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with httpx2.Client(timeout=TIMEOUT_S, follow_redirects=True) as client, _progress() as progress:
            for name, expected in files.items():
                target = directory / name
                if not (target.is_file() and sha256_of(target) == expected):
                    _download_file(client, f"{url}/{name}", target, expected, progress)
    except (httpx2.HTTPError, OSError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(
            f"{url} cannot be downloaded: {reason}; or set --model to a directory with its files"
        ) from error
    return directory


def _download_file(client: httpx2.Client, url: str, target: Path, expected: str, progress: Progress) -> None:
    partial = target.with_name(f"{target.name}.partial")
    try:
        with client.stream("GET", url) as response, partial.open("wb") as file:
            response.raise_for_status()
            length = response.headers.get("content-length")
            for block in _with_progress(response.iter_bytes(), int(length) if length else None, target.name, progress):
                file.write(block)
        found = sha256_of(partial)
        if found != expected:
            raise ModelError(f"{url} has SHA-256 {found}, expected {expected}")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _with_progress(blocks: Iterator[bytes], total: int | None, name: str, progress: Progress) -> Iterator[bytes]:
    task = progress.add_task(name, total=total)
    for block in blocks:
        progress.update(task, advance=len(block))
        yield block


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not sys.stderr.isatty())
