"""The table of `docs/compatibility.md`: which real clients are exercised, on what, and how that went.

A test with an unmodified client is marked `@exercises("its distribution", "what it does")`, with both as literals. Its
row is written by the test itself when `COMPATIBILITY_UPDATE=1` is set; a row whose test is not run stays as it is.
"""

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

import pytest

__all__ = [
    "COMMANDS",
    "DOCUMENT",
    "HOME_ASSISTANT",
    "NODE_MODULES",
    "Recorder",
    "Row",
    "exercises",
    "marked_rows",
    "rows_of",
]

_TESTS = Path(__file__).parent

DOCUMENT = _TESTS.parent / "docs" / "compatibility.md"

NODE_MODULES = _TESTS.parent / ".venv-compat" / "node_modules"
"""Where `make test-compat` installs JavaScript clients."""

HOME_ASSISTANT = _TESTS.parent / ".venv-compat" / "home-assistant" / "bin" / "python"
"""The Python for which it installs Home Assistant."""

COMMANDS = str(Path(sys.executable).parent)
"""Folder of the commands of the test packages."""

Row = tuple[str, str]
"""Client and what is exercised."""

_HEAD = "| client | version | what is exercised | result |\n|---|---|---|---|\n"


def exercises(client: str, what: str) -> pytest.MarkDecorator:
    """Mark a test as one with a real client.

    Args:
        client: the distribution it comes from; `npm:NAME` where npm and PyPI have one of the same name.
        what: is exercised, as in the table.
    """
    return pytest.mark.exercises(client, what)


def marked_rows() -> set[Row]:
    """Return the rows of all marked tests, including those whose client is not installed here."""
    return {row for path in _TESTS.rglob("test_*.py") for row in _rows_in(path)}


def rows_of(text: str) -> dict[Row, tuple[str, str]]:
    """Return the version and result of each row of a document's table."""
    lines = text.partition(_HEAD)[2].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {(client, what): (installed, result) for client, installed, what, result in cells}


class Recorder:
    """A pytest plugin that writes the rows of the marked tests it sees."""

    def __init__(self) -> None:
        self._results: dict[Row, str] = {}

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Attach a marked test's rows to its reports, so that they survive another process."""
        item.user_properties += [("exercises", mark.args) for mark in item.iter_markers("exercises")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the outcome of a marked test: the worst of several runs."""
        for name, row in report.user_properties:
            if name != "exercises" or (report.when != "call" and report.passed):
                continue
            assert isinstance(row, tuple)
            if self._results.get(row, "passed") == "passed":
                self._results[row] = report.outcome

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the table, sorted, without rows of removed tests."""
        if hasattr(session.config, "workerinput"):
            return  # pytest-xdist's: the process that started this one has the reports of all
        text = DOCUMENT.read_text(encoding="utf-8")
        tested = {row: (_version(row[0]), result) for row, result in self._results.items()}
        DOCUMENT.write_text(text.partition(_HEAD)[0] + _table({**rows_of(text), **tested}), encoding="utf-8")


def _table(rows: Mapping[Row, tuple[str, str]]) -> str:
    kept = marked_rows() & rows.keys()
    lines = (
        f"| {client} | {rows[client, what][0]} | {what} | {rows[client, what][1]} |\n" for client, what in sorted(kept)
    )
    return _HEAD + "".join(lines)


def _rows_in(path: Path) -> Iterator[Row]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "exercises":
            client, what = (ast.literal_eval(argument) for argument in node.args)
            yield client, what


def _version(client: str) -> str:
    if client.startswith(("@", "npm:")):
        package = client.removeprefix("npm:")
        return str(json.loads((NODE_MODULES / package / "package.json").read_text(encoding="utf-8"))["version"])
    try:
        return version(client)
    except PackageNotFoundError:
        folders = [str(folder) for folder in HOME_ASSISTANT.parent.parent.glob("lib/python*/site-packages")]
        return next((found.version for found in distributions(name=client, path=folders)), "–")
