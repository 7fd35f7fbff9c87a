"""`livecue serve` in its own process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["Command", "serving_command"]


@dataclass(frozen=True, slots=True)
class Command:
    """A gateway that serves.

    Attributes:
        url: its base URL.
        log: what it writes on standard error.
    """

    process: "subprocess.Popen[str]"
    url: str
    log: IO[str]

    def log_until(self, text: str) -> str:
        """Return the log from here up to a line with that text."""
        lines: list[str] = []
        for line in self.log:
            lines.append(line)
            if text in line:
                return "".join(lines)
        raise AssertionError(f"no {text!r} in {''.join(lines)}")


@contextmanager
def serving_command(data: Path, *arguments: str, max_files: int | None = None) -> Iterator[Command]:
    """Run a gateway with the scripted engine while the block lasts.

    Args:
        data: folder of what it keeps.
        arguments: of `livecue serve`.
        max_files: that it may open at once; None: as many as the tests.
    """
    limit = [] if max_files is None else ["prlimit", f"--nofile={max_files}:{max_files}"]
    command = [*limit, sys.executable, "-m", "gateway", "serve", "--engine", "scripted", "--port", "0", *arguments]
    environment = os.environ | {"XDG_DATA_HOME": str(data), "COLUMNS": os.environ.get("COLUMNS", "200")}
    with subprocess.Popen(  # noqa: S603  # our own command
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("livecue listens on "), process.stderr.read()
            yield Command(process, line.rpartition(" ")[2].strip(), process.stderr)
        finally:
            process.kill()
