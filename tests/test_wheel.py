"""The contents of the wheel, and that all its imports are declared."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.test_layers import PACKAGES, ROOT, imports_of, modules, name_of

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WHEEL = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
PROJECT = PYPROJECT["project"]


def name_in(requirement: str) -> str:
    begin = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert begin is not None
    return re.sub(r"[-_.]+", "-", begin.group()).lower()


def declared(*, for_users: bool) -> set[str]:
    """Return the distributions that pyproject.toml names as dependencies or in extras, for users or also for us."""
    extras = PROJECT["optional-dependencies"]
    groups = [PROJECT["dependencies"], *(extras[name] for name in extras if not (for_users and name == "bench"))]
    return {name_in(requirement) for group in groups for requirement in group}


@cache
def installed_owners() -> Mapping[str, list[str]]:
    """Return the distributions that bring each module."""
    return packages_distributions()


def shipped() -> list[str]:
    return [name for path in modules() if not (name := name_of(path)).startswith(tuple(WHEEL["exclude"]))]


def test_the_packages_that_are_shipped_are_the_four() -> None:
    assert tuple(WHEEL["packages"]) == tuple(sorted(PACKAGES))


@pytest.mark.parametrize("name", [name_of(path) for path in modules()])
def test_each_package_that_is_imported_is_declared(name: str) -> None:
    """What a dependency happens to bring may be gone with its next version."""
    allowed = declared(for_users=name in shipped())
    owners = installed_owners()
    for imported in imports_of(ROOT / name):
        root = imported.partition(".")[0]
        if root in sys.stdlib_module_names or root in PACKAGES:
            continue
        brought_by = {name_in(owner) for owner in owners.get(root, [root])}
        assert brought_by & allowed, f"pyproject.toml names no distribution of {root}: {sorted(brought_by)}"


def test_nothing_that_is_shipped_imports_what_is_not() -> None:
    hidden = [folder.replace("/", ".") for folder in WHEEL["exclude"]]
    for name in shipped():
        for imported in imports_of(ROOT / name):
            assert not imported.startswith(tuple(hidden)), f"{name} imports {imported}"


@pytest.mark.slow  # it asks the index for all that livecue needs
@pytest.mark.timeout(600)
def test_a_wheel_captions_a_file_outside_a_clone(tmp_path: Path) -> None:
    home, recording = tmp_path / "home", tmp_path / "talk.flac"
    environment = {
        **os.environ,
        "HOME": str(home),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_TOOL_DIR": str(home / "tools"),
        "UV_TOOL_BIN_DIR": str(home / "bin"),
    }

    def run(*command: str | Path) -> str:
        return subprocess.run(  # noqa: S603  # our own commands
            command, cwd=tmp_path, env=environment, check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        ).stdout

    uv = Path(sys.executable).with_name("uv")
    run(uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("livecue-*.whl")
    run(uv, "tool", "install", "--quiet", "--python", sys.executable, wheel)
    shutil.copy(ROOT / "clients" / "demo" / "talk.flac", recording)

    assert run(home / "bin" / "livecue", "--version").strip() == PROJECT["version"]
    run(home / "bin" / "livecue", "transcribe", recording, "-o", tmp_path / "talk.srt")
    assert "Dashwood" in (tmp_path / "talk.srt").read_text(encoding="utf-8")
