"""A gateway in its own process, on a free port of loopback."""

import os
import subprocess
import sys
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from vad.errors import LivecueError

__all__ = ["GatewayProcess"]

_LISTENING = "livecue listens on "


class GatewayProcess:
    """Runs `livecue serve` while the block lasts, with its own data directory.

    Args:
        options: of the command, without the port.
    """

    def __init__(self, *options: str) -> None:
        self.url = ""
        """`http://127.0.0.1:PORT`, unchanged by a restart."""
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self._data = TemporaryDirectory()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None, "only within the block"
        return self._process.pid

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._wait(self._process)
        self._data.cleanup()

    def begin(self) -> None:
        """Start the process, and wait until it listens; a killed one listens on its previous port again.

        Raises:
            LivecueError: it does not listen.
        """
        port = urlsplit(self.url).port or 0
        command = [
            sys.executable,
            "-m",
            "gateway",
            "serve",
            "--port",
            str(port),
            "--log-level",
            "error",
            *self._options,
        ]
        environment = {**os.environ, "XDG_DATA_HOME": self._data.name}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith(_LISTENING):
            raise LivecueError("the gateway did not start")
        self.url = line.removeprefix(_LISTENING).strip()

    def kill(self) -> None:
        """Kill the process, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._wait(self._process)
            self._process = None

    def _wait(self, process: "subprocess.Popen[str]") -> None:
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
