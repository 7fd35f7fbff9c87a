"""The file of the audit log: lines are appended, also by several processes, and it may be moved away at any time."""

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["AuditFile"]

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)

_MODE = 0o600
"""Only its owner may read who did what."""


class AuditFile:
    """Appends lines to a file. All methods block.

    Each line is one write to a file that is open for appending, so lines of several processes do not mix. Before each
    call the path is compared with the open file: where a rotation has moved or deleted that, another is created.

    Args:
        path: of the file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._is_torn = False
        """Whether the last line was cut short."""

    def append(self, lines: Sequence[bytes]) -> int:
        """Append lines, and return how many were appended: fewer where the disk failed in between.

        Args:
            lines: each ends with a line feed.

        Raises:
            OSError: none could be appended.
        """
        file = self._opened()
        for number, line in enumerate(lines):
            try:
                self._write(file, line)
            except OSError:
                if number == 0:
                    raise
                return number
        return len(lines)

    def check(self) -> None:
        """Check that the file can be opened; create it if it does not exist.

        Raises:
            OSError: it cannot.
        """
        self._opened()

    def close(self) -> None:
        """Close the file, if it is open; the next `append` opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _opened(self) -> int:
        if self._file is not None and not self._is_in_place(self._file):
            self.close()
        if self._file is None:
            self._file = os.open(self.path, _FLAGS, _MODE)
            self._is_torn = False
        return self._file

    def _is_in_place(self, file: int) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(file))
        except FileNotFoundError:
            return False

    def _write(self, file: int, line: bytes) -> None:
        whole = b"\n" + line if self._is_torn else line
        written = os.write(file, whole)
        if written < len(whole):  # a full disk takes what fits
            self._is_torn = self._is_torn or written > 0
            raise OSError(f"only {written} of {len(whole)} bytes were written")
        self._is_torn = False
