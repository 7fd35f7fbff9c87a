"""Files of captions, which grow while the captions arrive."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from gateway.wire import LivecueError

__all__ = ["OutputFailed", "opened", "rewrite", "write", "write_bytes"]


class OutputFailed(LivecueError):
    """Captions cannot be written."""

    code = "output_failed"


@contextmanager
def opened(path: Path | None) -> Iterator[TextIO]:
    """Open a file for captions, and create its folder; None: standard output.

    Raises:
        OutputFailed: it cannot be opened.
    """
    if path is None:
        yield sys.stdout
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputFailed(f"--output {path}: {error.strerror}") from error
    try:
        yield file
    finally:
        with suppress(OSError):  # each caption was flushed when written, so that errors were raised then
            file.close()


def rewrite(file: TextIO, text: str) -> bool:
    """Replace what was written to a file, and return whether that is possible: not to a pipe.

    Raises:
        OutputFailed: the disk is full.
    """
    if file is sys.stdout or not file.seekable():  # what `>>` appends to must not be truncated
        return False
    file.seek(0)
    file.truncate()
    write(file, text)
    return True


def write(file: TextIO, text: str) -> None:
    """Write and flush, so that a reader following the file sees each caption at once.

    Raises:
        OutputFailed: the disk is full, or the pipe is closed.
    """
    with _failures_reported(file):
        file.write(text)
        file.flush()


def write_bytes(file: TextIO, content: bytes) -> None:
    """Write bytes to the file below the text.

    Raises:
        OutputFailed: as of `_write`.
    """
    with _failures_reported(file):
        file.buffer.write(content)
        file.buffer.flush()


@contextmanager
def _failures_reported(file: TextIO) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        _discard_standard_output()
        raise OutputFailed("standard output was closed") from error
    except OSError as error:
        if file is sys.stdout:
            _discard_standard_output()
        raise OutputFailed(f"{file.name}: {error.strerror}") from error


def _discard_standard_output() -> None:
    """Prevent Python from flushing at exit, which would report the error again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
