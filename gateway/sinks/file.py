"""The sink `file`: appends to a file in the format of its suffix: .srt, .vtt, .txt or .jsonl.

Blocks are whole or absent: what a crash has left of one is removed before the file goes on. The last block is not
appended again where the gateway has stopped before it could note that it was written.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from anyio import to_thread

from gateway.captions.subtitles import VTT_HEADER, srt_block, vtt_block
from gateway.errors import ConfigurationError
from gateway.journal.event_json import event_json
from gateway.sinks.sink import Delivery, Item, SessionFacts, Sink, SinkKind, SinkTarget, SinkUnavailable
from gateway.wire import CueEvent, Final

__all__ = ["FILE", "FileSink"]

_SESSION = "{session}"
"""In the path: replaced by the session's id."""

_TAKES = {
    ".srt": frozenset({Item.CUE}),
    ".vtt": frozenset({Item.CUE}),
    ".txt": frozenset({Item.FINAL}),
    ".jsonl": frozenset({Item.READY, Item.CUE, Item.FINAL, Item.CORRECTION, Item.FINISHED}),
}
"""Format → what is in it. Nothing that was appended can be changed, so only JSONL has corrections."""

_END = {".srt": b"\n\n", ".vtt": b"\n\n", ".txt": b"\n", ".jsonl": b"\n"}
"""Format → how a block ends."""

_TIMED = (".srt", ".vtt")
"""Their times begin with the session, so that a file has one session."""

_PATIENCE_S = 86_400.0
"""A full disk or a share that is away is somebody's work to repair."""

_TAIL_BYTES = 65_536
"""More than any block."""


class FileSink:
    """Appends the events of one session.

    Args:
        path: of the file, with a known suffix.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._format = path.suffix.lower()
        self._blocks: int | None = None
        """Blocks in the file; None: it has not been opened yet."""

    async def send(self, delivery: Delivery) -> None:
        """Append the event, in a thread."""
        try:
            await to_thread.run_sync(self._append, delivery)
        except OSError as error:
            raise SinkUnavailable(error.strerror or str(error)) from error

    def _append(self, delivery: Delivery) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as file:
            last = b""
            if self._blocks is None:
                last = _whole_end(file, _END[self._format])
                self._blocks = self._number_of(last)
            is_first_of_text = self._format == ".txt" and delivery.number == 1  # two sessions may begin alike
            if last and not is_first_of_text and last == self._block(delivery, self._blocks):
                return  # it was written just before the gateway stopped
            if file.tell() == 0 and self._format == ".vtt":
                file.write(VTT_HEADER.encode())
            file.write(self._block(delivery, self._blocks + 1))
            self._blocks += 1

    def _number_of(self, last: bytes) -> int:
        """Return the number of blocks in a file that ends with that one; only SubRip needs it."""
        number = last.partition(b"\n")[0]
        return int(number) if self._format == ".srt" and number.isdigit() else 0

    def _block(self, delivery: Delivery, number: int) -> bytes:
        match self._format, delivery.inner:
            case ".srt", CueEvent(_, cue):
                return srt_block(number, cue).encode()
            case ".vtt", CueEvent(_, cue):
                return vtt_block(cue).encode()
            case ".txt", Final(text=text):
                return f"{text}\n".encode() if text else b""
            case _:
                return f"{event_json(delivery.event)}\n".encode()


def _whole_end(file: BinaryIO, end: bytes) -> bytes:
    """Remove a torn block from the end of a file, and return the last whole one; empty: there is none."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read()
    whole = tail[: tail.rfind(end) + len(end)] if end in tail else b""
    if len(whole) < len(tail):
        file.truncate(size - (len(tail) - len(whole)))
    file.seek(0, os.SEEK_END)
    return whole[: -len(end)].rpartition(end)[2] + end if whole else b""


@asynccontextmanager
async def _open(target: SinkTarget, session: SessionFacts) -> AsyncIterator[Sink]:
    yield FileSink(Path(_path_of(target).replace(_SESSION, session.session_id)))


def _path_of(target: SinkTarget) -> str:
    return unquote(urlsplit(target.url).path)


def _check(target: SinkTarget) -> None:
    path = Path(_path_of(target))
    if urlsplit(target.url).scheme != "file" or urlsplit(target.url).netloc or not path.is_absolute():
        raise ConfigurationError(f"sink {target.name}: expected file:///PATH")
    if path.suffix.lower() not in _TAKES:
        expected = ", ".join(_TAKES)
        raise ConfigurationError(
            f"sink {target.name}: file with the suffix {path.suffix!r}: expected one of {expected}"
        )
    if path.suffix.lower() in _TIMED and _SESSION not in path.name:
        raise ConfigurationError(
            f"sink {target.name}: {path.name}: expected {_SESSION} in the name, for times begin with the session"
        )


def _takes(target: SinkTarget) -> frozenset[Item]:
    return _TAKES[Path(_path_of(target)).suffix.lower()]


FILE = SinkKind(_open, _takes, check=_check, patience_s=_PATIENCE_S)
