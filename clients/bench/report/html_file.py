"""Writes the report as one HTML file."""

from collections.abc import Sequence
from pathlib import Path

from clients.bench.report.page import Assets, page
from clients.bench.result import Result

__all__ = ["read_assets", "write_html"]

_FOLDER = Path(__file__).parent


def write_html(results: Sequence[Result], path: Path) -> None:
    """Write results side by side into one file without outside requests.

    Raises:
        ValueError: there is no result.
        OSError: the file cannot be written.
    """
    if not results:
        raise ValueError("no result: a report needs at least one")
    path.write_text(page(results, read_assets()), encoding="utf-8")


def read_assets() -> Assets:
    """Return the style and the script of the page."""
    style, script = (_FOLDER / name for name in ("report.css", "report.js"))
    return Assets(style.read_text(encoding="utf-8"), script.read_text(encoding="utf-8"))
