"""Decodes a file that somebody sent, in a process that can do no harm.

FFmpeg reads hundreds of formats, and an upload may have been made to break it. So it runs apart: its process gets the
open file and no name, an empty directory, no environment, and limits on memory, time and files.
`gateway.media.decoder_process` is what runs there.
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
"""What a pipe holds: who writes more is not reporting."""

_LOADED = (anyio.TemporaryDirectory, anyio.open_process, anyio.open_file)
"""anyio loads these when they are first named: now, and not when there is no descriptor left to read a module with."""

_ROOT = Path(__file__).parents[2]
"""Where the packages are."""


@asynccontextmanager
async def decoded(path: Path, settings: UploadSettings, track: int | None = None) -> AsyncIterator["DecodedAudio"]:
    """Decode an audio track of a file. When the context begins, there is sound; when it ends, the process is gone.

    Args:
        path: the file; it need not be there any more once the context has begun.
        settings: what decoding may cost.
        track: which audio track, counted from 1; None: the one that is played by default.

    Raises:
        InvalidRequest: it is empty, or shorter than 0.1 s; the field is `file`. Or it has fewer tracks; `track`.
        UnsupportedMedia: it holds no sound that can be decoded.
        PayloadTooLarge: it says that it is longer than allowed, or takes too long.
        GatewayError: the process could not do its work.
    """
    command = _command(settings) if track is None else [*_command(settings), str(track)]
    async with AsyncExitStack() as stack:
        with await to_thread.run_sync(_open, path) as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise InvalidRequest("file: it is empty", "file")
            process = await stack.enter_async_context(_decoder(file, command))
        sound = DecodedAudio(process, settings)
        await sound.begin()
        yield sound


@asynccontextmanager
async def decoding_live(settings: UploadSettings) -> AsyncIterator[Process]:
    """Start what decodes a stream on its stdin to pieces on its stdout; when the context ends, the process is gone."""
    async with _decoder(subprocess.PIPE, [*_command(settings), "live"]) as process:
        yield process


@asynccontextmanager
async def _decoder(stdin: IO[bytes] | int, command: list[str]) -> AsyncIterator[Process]:
    async with anyio.TemporaryDirectory(prefix="livecue-", ignore_cleanup_errors=True) as nowhere:
        try:
            process = await anyio.open_process(
                command, stdin=stdin, cwd=nowhere, env=_environment(), start_new_session=True
            )
        except OSError as error:
            raise Overloaded(f"no decoder can be started ({error.strerror})") from error
        try:
            yield process
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            with CancelScope(shield=True):
                await process.aclose()


async def report_of(process: Process, settings: UploadSettings) -> Report:
    """Return what the process reports once its sound has ended.

    Raises:
        PayloadTooLarge: there is more than allowed, or it takes too long to decode.
        InvalidRequest: it has fewer audio tracks.
        UnsupportedMedia: it cannot be read, or not on.
        GatewayError: the process could not do its work.
    """
    assert process.stderr is not None
    text = bytearray()
    with suppress(anyio.EndOfStream):
        while len(text) < _REPORT_BYTES:
            text += await process.stderr.receive()
    status = await process.wait()
    try:
        # Libraries may have complained before.
        report = msgspec.json.decode(text.rstrip().rpartition(b"\n")[2], type=Report)
    except msgspec.MsgspecError as error:
        raise _without_report(status, bytes(text), settings) from error
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
    """The sound of a file: an iterator over s16le mono 16 kHz, 0.5 s a block; the last may be shorter.

    Iterating raises:
        PayloadTooLarge: it goes on beyond what is allowed, or takes too long to decode.
        UnsupportedMedia: it cannot be read on.
        GatewayError: the process could not do its work.
    """

    def __init__(self, process: Process, settings: UploadSettings) -> None:
        self.broken_packets = 0
        """Pieces that could not be decoded and were left out; known once the sound has ended."""
        assert process.stdout is not None
        self._process = process
        self._sound: ByteReceiveStream = process.stdout
        self._settings = settings
        self._waited_s = 0.0
        self._pending = bytearray()
        self._has_ended = False

    async def begin(self) -> None:
        """Wait for the first sound; `decoded` does."""
        min_bytes = _MIN_DURATION_S * _BYTES_PER_S
        while len(self._pending) < min_bytes and not self._has_ended:
            await self._wait()
        if len(self._pending) < min_bytes:
            duration_s = len(self._pending) / _BYTES_PER_S
            raise InvalidRequest(f"file: {duration_s:.3f} s of sound; allowed are {_MIN_DURATION_S} s and more", "file")

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
                self._pending += await self._sound.receive()
            except anyio.EndOfStream:
                await self._end()
        if patience.cancelled_caught:
            raise PayloadTooLarge(f"file: decoding it takes more than {self._settings.decode_wait_s:g} s")
        self._waited_s += anyio.current_time() - begin_s

    async def _end(self) -> None:
        report = await report_of(self._process, self._settings)
        self.broken_packets = report.broken_packets
        self._has_ended = True


def _without_report(status: int, text: bytes, settings: UploadSettings) -> GatewayError:
    if status < 0:
        name = signal.Signals(-status).name
        if name == "SIGXCPU":
            allowed = f"{settings.decode_cpu_s} s of processor time"
            return PayloadTooLarge(f"file: decoding it takes more than {allowed}")
        return UnsupportedMedia(f"file: its decoder broke off ({name})")
    _log.error("decoder failed status=%s stderr=%r", status, text)
    return GatewayError(f"the decoder failed with status {status}")


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _command(settings: UploadSettings) -> list[str]:
    limits = (settings.max_duration_s, settings.decode_cpu_s, settings.decode_memory_bytes)
    return [sys.executable, "-P", "-m", "gateway.media.decoder_process", *map(str, limits)]


def _environment() -> dict[str, str]:
    # Windows starts nothing without its root.
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return {"PYTHONPATH": str(_ROOT), **kept}
