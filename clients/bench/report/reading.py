"""Reads results from their JSON files."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from clients.bench.result import SCHEMA, Result
from gateway.wire import LivecueError

__all__ = ["ResultUnreadable", "read_results"]


class ResultUnreadable(LivecueError):
    """A file has no result that this version reads."""

    code = "result_unreadable"


class _Versioned(msgspec.Struct):
    schema: str | None = None


def read_results(paths: Iterable[Path]) -> list[Result]:
    """Return the results in files, in the order of the paths.

    Raises:
        ResultUnreadable: a file is missing, not JSON, of another version of the schema, or not of the schema.
    """
    return [_read(path) for path in paths]


def _read(path: Path) -> Result:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ResultUnreadable(f"{path}: {error.strerror}") from error
    try:
        version = msgspec.json.decode(text, type=_Versioned).schema
    except msgspec.ValidationError as error:
        raise ResultUnreadable(f"{path}: not a result of livecue bench: {error}") from error
    except msgspec.DecodeError as error:
        raise ResultUnreadable(f"{path}: not JSON: {error}") from error
    if version != SCHEMA:
        raise ResultUnreadable(f"{path}: schema {version or 'missing'}, expected {SCHEMA}")
    try:
        return msgspec.json.decode(text, type=Result)
    except msgspec.ValidationError as error:
        raise ResultUnreadable(f"{path}: not of schema {SCHEMA}: {error}") from error
