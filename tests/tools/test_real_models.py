"""Weights from installed packages, here small fakes in a folder on the import path."""

import hashlib
import sys
from pathlib import Path

import pytest

from tests.packages import install_package
from tools import real_models
from tools.real_models import MODELS, ModelFile, ModelsError, Part, model_directory, write_model

CONFIG = b'{"alignment_heads": [[2, 2]]}'
FIRST_PART, SECOND_PART = b"weights, ", b"and more of them"


def sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


FAKE = {
    "config.json": ModelFile(sha256(CONFIG), (Part("fake-part1", "fake_part1/data/config.json"),)),
    "model.bin": ModelFile(
        sha256(FIRST_PART, SECOND_PART),
        (Part("fake-part1", "fake_part1/data/model.bin.1"), Part("fake-part2", "fake_part2/data/model.bin.2")),
    ),
}


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a folder on the import path, and replace the models by a fake one."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    for name in list(MODELS):
        monkeypatch.delitem(MODELS, name)
    monkeypatch.setitem(MODELS, "fake", FAKE)
    return folder


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "models"


def install(packages: Path, name: str, **files: bytes) -> None:
    """Lay out a package; a file's dots are written as double underscores."""
    data = f"{name.replace('-', '_')}/data"
    install_package(packages, name, "1.0", {f"{data}/{file.replace('__', '.')}": files[file] for file in files})


def install_all(packages: Path) -> None:
    install(packages, "fake-part1", config__json=CONFIG, model__bin__1=FIRST_PART)
    install(packages, "fake-part2", model__bin__2=SECOND_PART)


def installed_files(into: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (into / "fake").iterdir()}


def test_a_model_is_assembled_from_the_parts_of_its_packages(packages: Path, into: Path) -> None:
    install_all(packages)

    assert write_model("fake", into) == into / "fake"

    assert installed_files(into) == {"config.json": CONFIG, "model.bin": FIRST_PART + SECOND_PART}


def test_wrong_bytes_are_refused_and_leave_no_file(packages: Path, into: Path) -> None:
    install_all(packages)
    install(packages, "fake-part2", model__bin__2=b"of another version")

    with pytest.raises(ModelsError, match=r"model\.bin of fake-part1, fake-part2: SHA-256 \w+, expected \w+"):
        write_model("fake", into)

    assert installed_files(into) == {"config.json": CONFIG}


def test_a_missing_package_is_named_and_leaves_no_file(packages: Path, into: Path) -> None:
    install(packages, "fake-part1", config__json=CONFIG, model__bin__1=FIRST_PART)

    with pytest.raises(ModelsError, match=r"package fake-part2 is not installed: `make models` installs it"):
        write_model("fake", into)

    assert installed_files(into) == {"config.json": CONFIG}


def test_a_package_without_its_part_is_named(packages: Path, into: Path) -> None:
    install_all(packages)
    (packages / "fake_part2/data/model.bin.2").unlink()

    with pytest.raises(ModelsError, match=r"package fake-part2 has no fake_part2/data/model\.bin\.2"):
        write_model("fake", into)


def test_an_installed_model_needs_no_packages(packages: Path, into: Path) -> None:
    install_all(packages)
    write_model("fake", into)
    for path in (packages / "fake_part1/data").iterdir():
        path.unlink()

    write_model("fake", into)

    assert installed_files(into) == {"config.json": CONFIG, "model.bin": FIRST_PART + SECOND_PART}


def test_a_file_of_another_version_is_replaced(packages: Path, into: Path) -> None:
    install_all(packages)
    (into / "fake").mkdir(parents=True)
    (into / "fake/config.json").write_bytes(b"of another version")

    write_model("fake", into)

    assert installed_files(into)["config.json"] == CONFIG


def test_a_model_is_found_only_if_complete(packages: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_models, "MODELS_DIRECTORY", into)
    install_all(packages)

    assert model_directory("fake") is None
    write_model("fake", into)
    assert model_directory("fake") == into / "fake"
    (into / "fake/model.bin").unlink()
    assert model_directory("fake") is None


@pytest.mark.parametrize(("is_complete", "status"), [(True, 0), (False, 1)])
def test_the_command_names_a_missing_model(
    is_complete: bool,
    status: int,
    packages: Path,
    into: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install_all(packages)
    if not is_complete:
        (packages / "fake_part2/data/model.bin.2").unlink()
    monkeypatch.setattr(sys, "argv", ["real_models", "--into", str(into)])

    with pytest.raises(SystemExit) as exit_:
        real_models.main()

    written = capsys.readouterr()
    assert exit_.value.code == status
    assert (str(into / "fake") in written.out) == is_complete
    assert ("fake: package fake-part2" in written.err) == (not is_complete)
