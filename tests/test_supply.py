"""The lock file of an installation: each version, with the hashes of its files."""

import json
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, tuple[str, str]]:
    """Return each package's version, and what follows it: when it is wanted, and its hashes."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    entries = (line.partition("==") for line in text.splitlines())
    return {normalised(name): (rest.split()[0], rest) for name, _, rest in entries}


def test_all_that_livecue_needs_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {normalised(re.split(r"[<>=!;\[ ]", wanted, maxsplit=1)[0]) for wanted in project["dependencies"]}

    assert needed <= locked().keys()


def test_every_locked_version_has_its_hashes() -> None:
    assert all("--hash=sha256:" in rest for _, rest in locked().values())


def test_the_lock_has_the_versions_that_are_tested() -> None:
    """Of what is needed on some platforms alone, or by builds alone, one of the two may know nothing."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if "==" in line)

    differing = {
        name: (version, locked()[normalised(name)][0])
        for name, version in tested.items()
        if normalised(name) in locked() and locked()[normalised(name)][0] != version
    }
    assert differing == {}


def test_clients_in_javascript_are_pinned_with_their_hashes() -> None:
    packages = json.loads((ROOT / "tests/compat/package-lock.json").read_text(encoding="utf-8"))["packages"]

    assert all("integrity" in package for path, package in packages.items() if path)
