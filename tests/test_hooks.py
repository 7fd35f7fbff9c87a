"""The hooks before a commit run what `make check` runs, and download nothing."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / ".pre-commit-config.yaml"


def test_every_hook_is_our_own_and_of_our_environment() -> None:
    (repository,) = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["repos"]

    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in repository["hooks"])


def test_the_hooks_are_what_make_check_runs() -> None:
    (repository,) = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["repos"]
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ncheck: ")[2].partition("\n\n")[0]
    commands = [line.strip() for line in recipe.replace("$(BIN)", ".venv/bin").splitlines()[1:]]

    hooks = [re.sub(" --force-exclude", "", hook["entry"]) for hook in repository["hooks"]]
    assert hooks == [command.removesuffix(" --check") for command in commands]


def test_pre_commit_reads_the_hooks() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(CONFIG)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # our own command
