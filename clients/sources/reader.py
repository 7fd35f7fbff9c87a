"""Runs the process that reads a stream, and receives its messages."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import anyio
from anyio import CancelScope
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from clients.sources.messages import HEADER, Failed, Message, Request, unpacked

__all__ = ["Reader"]

_PROGRAM = "clients.sources.source_process"

_ROOT = Path(__file__).parents[2]
"""The folder of the packages."""

_ENVIRONMENT = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT")
"""What the process gets of the environment: where `ffmpeg` is, and the authorities of certificates."""


class Reader:
    """One connection of one stream, from `start` to `aclose`."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self._process = process
        self._stream = BufferedByteReceiveStream(process.stdout)
        self._header: tuple[bytes, float, int] | None = None
        """Of the message whose body has not come yet."""

    @classmethod
    async def start(cls, request: Request) -> "Reader":
        """Start reading a stream."""
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        process = await anyio.open_process(
            [sys.executable, "-P", "-m", _PROGRAM],
            stderr=subprocess.DEVNULL,
            env={**environment, "PYTHONPATH": str(_ROOT)},
            start_new_session=True,  # Ctrl-C is the command's
        )
        assert process.stdin is not None
        with suppress(anyio.BrokenResourceError):  # `receive` says that it has crashed
            await process.stdin.send(request.to_line())
        await process.stdin.aclose()
        return cls(process)

    async def receive(self) -> Message:
        """Return the next message; it may be cancelled without a loss."""
        try:
            if self._header is None:
                self._header = HEADER.unpack(await self._stream.receive_exactly(HEADER.size))
            kind, stamp_s, body_bytes = self._header
            body = await self._stream.receive_exactly(body_bytes) if body_bytes else b""
        except (anyio.EndOfStream, anyio.IncompleteRead):
            return Failed(f"the process that reads the stream has crashed ({await self._status()})")
        self._header = None
        return unpacked(kind, stamp_s, body)

    async def aclose(self) -> None:
        """End the process, and those that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        with CancelScope(shield=True):
            await self._process.aclose()

    async def _status(self) -> str:
        status = await self._process.wait()
        return signal.Signals(-status).name if status < 0 else f"status {status}"
