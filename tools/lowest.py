"""Prints the lowest version of each dependency that pyproject.toml allows, as constraints for pip."""

import re
import tomllib
from pathlib import Path

_PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def lowest(requirements: list[str]) -> list[str]:
    """Return `name==version` for each requirement `name>=version`."""
    found = [re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9.]+)", requirement) for requirement in requirements]
    return [f"{begin[1]}=={begin[2]}" for begin in found if begin is not None]


if __name__ == "__main__":
    print(*lowest(tomllib.loads(_PYPROJECT.read_text())["project"]["dependencies"]), sep="\n")
