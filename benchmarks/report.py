"""Output of every benchmark: a table, a JSON file, and a description of the machine."""

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["machine", "print_table", "write_json"]


_FILE_WIDTH = 200
"""Columns of a table that is written to a file."""


def machine() -> dict[str, str]:
    """Return the processor, cores, Python version and commit, without which figures mean nothing."""
    return {
        "processor": _processor(),
        "cores": str(len(_processors())),
        "python": platform.python_version(),
        "commit": _commit(),
    }


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a title."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column == columns[0] else "right")
    for row in rows:
        table.add_row(*(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    console.print(table)


def write_json(path: Path | None, name: str, results: object) -> None:
    """Write results with a description of the machine; None: write nothing."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"benchmark": name, "machine": machine(), "results": results}, indent=2) + "\n")


def _processors() -> list[str]:
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    return [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]


def _processor() -> str:
    return next(iter(_processors()), platform.processor() or "unknown")


def _commit() -> str:
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    return git.stdout.strip() or "unknown"
