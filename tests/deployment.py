"""What the files of `deploy/` and the images hold, for the tests that keep them right."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from gateway.serve import _SHUTDOWN_S
from gateway.settings import Settings
from gateway.shutdown import _LEAVE_S

__all__ = ["DEPLOY", "ROOT", "checked_by", "instructions", "read", "seconds", "stop_s", "yaml_of"]

ROOT = Path(__file__).parent.parent

DEPLOY = ROOT / "deploy"


def read(path: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def yaml_of(path: str) -> dict[str, object]:
    """Return a YAML file's only document, an object."""
    parsed = yaml.safe_load(read(path))
    assert isinstance(parsed, dict)
    return parsed


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Return the instructions of the last stage: (name, arguments), continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", read(dockerfile), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = max(i for i, line in enumerate(lines) if line.startswith("FROM "))
    return [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in lines[last:])]


def seconds(text: str) -> int:
    """Return the seconds of a duration such as `50s` or `10m`."""
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def stop_s(environment: Mapping[str, object] | None = None) -> float:
    """Return the longest time from SIGTERM to the end of a gateway, in seconds, by the default settings."""
    drain_s = (environment or {}).get("LIVECUE_LIMITS__DRAIN_S", Settings.model_fields["limits"].default.drain_s)
    return float(str(drain_s)) + _LEAVE_S + _SHUTDOWN_S


def checked_by(tool: str, *arguments: str | Path, cwd: Path | None = None) -> str:
    """Return the output of a checking tool, which must succeed; skip the test where it is not installed."""
    path = shutil.which(tool) or shutil.which(tool, path="/usr/sbin")
    if path is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([path, *arguments], capture_output=True, text=True, cwd=cwd, timeout=50)  # noqa: S603  # ours
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
