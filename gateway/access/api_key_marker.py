"""What stays when the state database is lost: that there were keys. A gateway does not open for want of them."""

import logging
from pathlib import Path

from gateway.sqlite import data_path

__all__ = ["mark_of_keys", "mark_that_keys_exist"]

logger = logging.getLogger("livecue.auth")

_NAME = "keys-were-made"

_TEXT = """API keys were made for livecue, in {path}.
A gateway that finds this file and no keys does not start: it would be open to everybody. Delete it to allow that.
"""


def mark_of_keys(database: Path) -> Path | None:
    """Return the file that says that keys were made, for that state database or by this user; None: there is none."""
    return next((path for path in _places(database) if path.exists()), None)


def mark_that_keys_exist(database: Path) -> None:
    """Leave such files where they are not yet: beside the database and in the user's data directory."""
    for path in _places(database):
        try:
            if not path.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.write_text(_TEXT.format(path=database), encoding="utf-8")
        except OSError as error:
            logger.warning("that there are keys cannot be noted in %s: %s", path, error.strerror)


def _places(database: Path) -> tuple[Path, Path]:
    return database.with_name(f"{database.name}.{_NAME}"), data_path(_NAME)
