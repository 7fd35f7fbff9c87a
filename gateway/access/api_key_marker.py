"""Marker files that outlive the state database: without its keys, a gateway must not start and admit every caller."""

import logging
from pathlib import Path

from gateway.sqlite import data_path

__all__ = ["key_marker", "write_key_markers"]

logger = logging.getLogger("livecue.auth")

_NAME = "keys-were-made"

_TEXT = """API keys were made for livecue, in {path}.
A gateway that finds this file and no keys does not start: it would admit every caller. Delete it to allow that.
"""


def key_marker(database: Path) -> Path | None:
    """Return the file that marks that keys were made, for that state database or by this user; None: no such file."""
    return next((path for path in _paths(database) if path.exists()), None)


def write_key_markers(database: Path) -> None:
    """Create the missing marker files: beside the database and in the user's data directory."""
    for path in _paths(database):
        try:
            if not path.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.write_text(_TEXT.format(path=database), encoding="utf-8")
        except OSError as error:
            logger.warning("marker file of the API keys cannot be written path=%s: %s", path, error.strerror)


def _paths(database: Path) -> tuple[Path, Path]:
    return database.with_name(f"{database.name}.{_NAME}"), data_path(_NAME)
