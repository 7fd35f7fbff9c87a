"""Decodes an untrusted file in a sandboxed process.

FFmpeg reads hundreds of formats, and an upload may be crafted to exploit it. So it runs in a process that gets the open
file without its name, an empty directory, no environment, and limits on memory, time and files.
`gateway.media.decoder_process` is the program.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import anyio
import msgspec
from anyio import CancelScope, to_thread
from anyio.abc import ByteReceiveStream, Process

from gateway.errors import GatewayError, InvalidRequest, Overloaded, PayloadTooLarge, UnsupportedMedia
from gateway.media.decoder_process import BLOCK_S, Outcome, Report
from gateway.settings import UploadSettings
from vad.media_file import MEDIA_BYTES_PER_SAMPLE, MEDIA_RATE_HZ

__all__ = ["DecodedAudio", "decoded", "decoding_live", "report_of"]

_log = logging.getLogger(__name__)

_BYTES_PER_S = MEDIA_RATE_HZ * MEDIA_BYTES_PER_SAMPLE

_BLOCK_BYTES = round(BLOCK_S * _BYTES_PER_S)

_MIN_DURATION_S = 0.1
"""OpenAI's own limit, code `audio_too_short`."""

_REPORT_BYTES = 65_536
"""Capacity of a pipe: longer output is not a report."""

_LOADED = (anyio.TemporaryDirectory, anyio.open_process, anyio.open_file)
"""anyio imports these on first use: do so now, not when there is no file descriptor left."""

_ROOT = Path(__file__).parents[2]
"""The folder of the packages."""


@asynccontextmanager
async def decoded(path: Path, settings: UploadSettings, track: int | None = None) -> AsyncIterator["DecodedAudio"]:
    """Decode an audio track of a file. On entering there is audio; on leaving the process ends.

    Args:
        path: the file; it may be deleted after entering.
        settings: limits of decoding.
        track: which audio track, counted from 1; None: the one that is played by default.

    Raises:
        InvalidRequest: it is empty, or shorter than 0.1 s; the field is `file`. Or it has fewer tracks; `track`.
        UnsupportedMedia: it has no audio that can be decoded.
        PayloadTooLarge: it declares more than the longest duration, or decoding takes too long.
        GatewayError: the process failed.
    """
    command = _command(settings) if track is None else [*_command(settings), str(track)]
    async with AsyncExitStack() as stack:
        with await to_thread.run_sync(_open, path) as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise InvalidRequest("file is empty", "file")
            process = await stack.enter_async_context(_decoder(file, command))
        audio = DecodedAudio(process, settings)
        await audio.begin()
        yield audio


@asynccontextmanager
async def decoding_live(settings: UploadSettings) -> AsyncIterator[Process]:
    """Start a process that decodes a stream on its stdin to pieces on its stdout; on leaving it ends."""
    async with _decoder(subprocess.PIPE, [*_command(settings), "live"]) as process:
        yield process


@asynccontextmanager
async def _decoder(stdin: IO[bytes] | int, command: list[str]) -> AsyncIterator[Process]:
    async with anyio.TemporaryDirectory(prefix="livecue-", ignore_cleanup_errors=True) as empty_folder:
        try:
            process = await anyio.open_process(
                command, stdin=stdin, cwd=empty_folder, env=_environment(), start_new_session=True
            )
        except OSError as error:
            raise Overloaded(f"decoder cannot be started ({error.strerror})") from error
        try:
            yield process
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            with CancelScope(shield=True):
                await process.aclose()


async def report_of(process: Process, settings: UploadSettings) -> Report:
    """Return the report of the process, after the end of its audio.

    Raises:
        PayloadTooLarge: the audio is too long, or decoding takes too long.
        InvalidRequest: the file has fewer audio tracks.
        UnsupportedMedia: the file cannot be decoded.
        GatewayError: the process failed.
    """
    assert process.stderr is not None
    text = bytearray()
    with suppress(anyio.EndOfStream):
        while len(text) < _REPORT_BYTES:
            text += await process.stderr.receive()
    status = await process.wait()
    try:
        # libraries may have written messages before it
        report = msgspec.json.decode(text.rstrip().rpartition(b"\n")[2], type=Report)
    except msgspec.MsgspecError as error:
        raise _crash(status, bytes(text), settings) from error
    match report.outcome:
        case Outcome.TOO_LONG:
            raise PayloadTooLarge(report.message)
        case Outcome.NO_SUCH_TRACK:
            raise InvalidRequest(report.message, "track")
        case Outcome.UNDECODABLE | Outcome.OUT_OF_MEMORY:
            raise UnsupportedMedia(report.message)
        case Outcome.ENDED:
            return report


class DecodedAudio:
    """The audio of a file: an iterator over s16le mono 16 kHz, 0.5 s a block; the last may be shorter.

    Iterating raises:
        PayloadTooLarge: it is too long, or decoding takes too long.
        UnsupportedMedia: the rest cannot be decoded.
        GatewayError: the process failed.
    """

    def __init__(self, process: Process, settings: UploadSettings) -> None:
        self.broken_packets = 0
        """Packets that could not be decoded and were skipped; known after the end of the audio."""
        assert process.stdout is not None
        self._process = process
        self._audio: ByteReceiveStream = process.stdout
        self._settings = settings
        self._waited_s = 0.0
        self._pending = bytearray()
        self._has_ended = False

    async def begin(self) -> None:
        """Wait for the first audio; `decoded` calls this."""
        min_bytes = _MIN_DURATION_S * _BYTES_PER_S
        while len(self._pending) < min_bytes and not self._has_ended:
            await self._wait()
        if len(self._pending) < min_bytes:
            duration_s = len(self._pending) / _BYTES_PER_S
            raise InvalidRequest(f"file has {duration_s:.3f} s of audio: expected at least {_MIN_DURATION_S} s", "file")

    def __aiter__(self) -> "DecodedAudio":
        return self

    async def __anext__(self) -> bytes:
        while len(self._pending) < _BLOCK_BYTES and not self._has_ended:
            await self._wait()
        if not self._pending:
            raise StopAsyncIteration
        block = bytes(self._pending[:_BLOCK_BYTES])
        del self._pending[:_BLOCK_BYTES]
        return block

    async def _wait(self) -> None:
        begin_s = anyio.current_time()
        with anyio.move_on_after(self._settings.decode_wait_s - self._waited_s) as patience:
            try:
                self._pending += await self._audio.receive()
            except anyio.EndOfStream:
                await self._end()
        if patience.cancelled_caught:
            raise PayloadTooLarge(f"file: decoding takes more than {self._settings.decode_wait_s:g} s")
        self._waited_s += anyio.current_time() - begin_s

    async def _end(self) -> None:
        report = await report_of(self._process, self._settings)
        self.broken_packets = report.broken_packets
        self._has_ended = True


def _crash(status: int, text: bytes, settings: UploadSettings) -> GatewayError:
    if status < 0:
        name = signal.Signals(-status).name
        if name == "SIGXCPU":
            return PayloadTooLarge(f"file: decoding takes more than {settings.decode_cpu_s} s of CPU time")
        return UnsupportedMedia(f"file: decoder crashed ({name})")
    _log.error("decoder failed status=%s stderr=%r", status, text)
    return GatewayError(f"the decoder failed with status {status}")


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _command(settings: UploadSettings) -> list[str]:
    limits = (settings.max_duration_s, settings.decode_cpu_s, settings.decode_memory_bytes)
    return [sys.executable, "-P", "-m", "gateway.media.decoder_process", *map(str, limits)]


def _environment() -> dict[str, str]:
    # Windows starts no process without it
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return {"PYTHONPATH": str(_ROOT), **kept}
