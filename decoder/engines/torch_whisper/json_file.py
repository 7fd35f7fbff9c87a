"""JSON files beside weights, read into typed records."""

from pathlib import Path
from typing import TypeVar

import msgspec

from decoder.types import ModelError

__all__ = ["decoded", "read_json"]

MAX_BYTES = 64 << 20
"""An index of the largest Whisper has 100 kB. What is larger is no such file."""

Record = TypeVar("Record")


def read_json(path: Path, record: type[Record]) -> Record:
    """Return what a file says.

    Args:
        path: of the file.
        record: type to decode to; fields that it does not have are left out.

    Raises:
        ModelError: the file cannot be read, or says something else.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path} has {path.stat().st_size} bytes: expected at most {MAX_BYTES}")
        stored = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    return decoded(stored, record, path)


def decoded(stored: bytes, record: type[Record], path: Path) -> Record:
    """Return JSON as a record.

    Args:
        stored: the JSON.
        record: as above.
        path: where it comes from, for errors.

    Raises:
        ModelError: it is not JSON, or says something else.
    """
    try:
        return msgspec.json.decode(stored, type=record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{path} is invalid: {error}") from error
